"""What a run says at its end, of its tests and of cassettes that nobody needs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from pytest_plugin.projects import HELLO, Project, besides

_ALL_FATES = """
import pytest
from wire import ask

pytestmark = pytest.mark.streamtape

def test_hit():
    for prompt in ("one", "two"):
        assert ask(prompt)[0] == 200

def test_miss(request):
    ask("one" if request.config.getoption("streamtape_mode") else "another")

def test_nothing():
    pass

@pytest.mark.streamtape(mode="passthrough")
def test_live():
    assert ask("live")[0] == 200

@pytest.mark.streamtape(mode="all")
def test_recorded():
    assert ask("again")[0] == 200
"""


def _report(result: pytest.RunResult) -> list[str]:
    start = next(
        i for i, line in enumerate(result.outlines) if " streamtape ===" in line
    )
    lines = result.outlines[start + 1 :]
    end = next(i for i, line in enumerate(lines) if line.startswith("==="))
    return [line for line in lines[:end] if line]


def test_the_report_names_each_test_and_its_fate(project: Project) -> None:
    project.write(test_fates=_ALL_FATES)
    project.record()
    result = project.run("--streamtape-report")
    result.assert_outcomes(passed=4, failed=1)
    lines = _report(result)
    assert lines[:5] == [
        "HIT       test_fates.py::test_hit  (2 replayed)",
        "MISS      test_fates.py::test_miss  (1 miss)",
        "NONE      test_fates.py::test_nothing",
        "LIVE      test_fates.py::test_live  (1 forwarded)",
        "RECORDED  test_fates.py::test_recorded  (1 recorded)",
    ]
    assert lines[5].startswith("2 replayed, 1 miss, 1 forwarded, 1 recorded; saved ")
    assert len(lines) == 6


def test_the_report_can_be_asked_for_in_ini(project: Project) -> None:
    project.write(test_chat=HELLO)
    project.record()
    assert len(_report(project.run())) == 1
    project.ini("streamtape_report = true")
    assert _report(project.run())[0].startswith("HIT ")


def test_tokens_and_time_that_were_saved_are_summed(project: Project) -> None:
    project.write(
        test_sum="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            @pytest.mark.parametrize("number", range(3))
            def test_sum(number):
                ask(f"slowly {number}")
        """
    )
    project.record()
    (line,) = _report(project.run())
    counts, _, saved = line.partition("; saved ")
    assert counts == "3 replayed"
    tokens, _, seconds = saved.partition(" tokens and ")
    assert int(tokens.replace(",", "")) % 3 == 0
    assert int(tokens.replace(",", "")) > 0
    assert float(seconds.removesuffix(" s")) > 1


def test_a_run_that_asked_nothing_says_nothing(project: Project) -> None:
    project.write(test_plain="def test_plain():\n    pass\n")
    result = project.run("--streamtape-report")
    result.stdout.no_fnmatch_line("*= streamtape =*")


def test_a_junit_file_has_it_as_properties(project: Project) -> None:
    project.write(test_fates=_ALL_FATES)
    project.record()
    project.run("--junit-xml=report.xml", "--streamtape-unused=warn")
    cases = ElementTree.parse(project.path / "report.xml").getroot().iter("testcase")
    told = {
        case.get("name"): [
            (each.get("name"), each.get("value")) for each in case.iter("property")
        ]
        for case in cases
    }
    assert told["test_hit"][:2] == [
        ("streamtape", "HIT"),
        ("streamtape_replayed", "2"),
    ]
    assert dict(told["test_hit"]).keys() == {
        "streamtape",
        "streamtape_replayed",
        "streamtape_tokens_saved",
        "streamtape_seconds_saved",
    }
    miss = dict(told["test_miss"])
    assert (miss["streamtape"], miss["streamtape_miss"]) == ("MISS", "1")
    assert (miss["streamtape_unused"] or "").startswith("one-")
    assert dict(told["test_nothing"])["streamtape"] == "NONE"
    assert dict(told["test_live"])["streamtape"] == "LIVE"
    assert dict(told["test_recorded"])["streamtape"] == "RECORDED"


_USES_ONE = """
import pytest
from wire import ask

@pytest.mark.streamtape
def test_uses(request):
    is_recording = request.config.getoption("streamtape_mode")
    for prompt in ("one", "two") if is_recording else ("one",):
        assert ask(prompt)[0] == 200
"""


@pytest.mark.parametrize("where", ["option", "ini"])
@pytest.mark.parametrize("unused", ["ignore", "warn", "fail"])
def test_cassettes_that_a_test_does_not_need_are_told_or_fail_it(
    project: Project, unused: str, where: str
) -> None:
    project.write(test_a=_USES_ONE)
    project.record()
    args: tuple[str, ...] = ()
    if where == "ini":
        project.ini(f"streamtape_unused = {unused}")
    else:
        args = (f"--streamtape-unused={unused}",)
    result = project.run(*args)
    warned = [line for line in result.outlines if line.startswith("unused by")]
    match unused:
        case "ignore":
            result.assert_outcomes(passed=1)
            assert warned == []
        case "warn":
            result.assert_outcomes(passed=1)
            assert len(warned) == 1
            assert warned[0].startswith("unused by test_a.py::test_uses: two-")
        case _:
            result.assert_outcomes(failed=1)
            result.stdout.fnmatch_lines(["nobody asked for two-*"])


def test_what_is_shared_or_recorded_is_never_unused(project: Project) -> None:
    project.write(
        test_shared=_USES_ONE.replace("streamtape\n", "streamtape('shared')\n"),
        test_new=_USES_ONE.replace("streamtape\n", "streamtape(mode='all')\n"),
    )
    project.record()
    result = project.run("--streamtape-unused=fail")
    result.assert_outcomes(passed=2)
    assert result.ret == 0


def _make_orphans(project: Project) -> None:
    two = HELLO.replace("hello():", "other():") + HELLO
    project.write(test_chat=two, chat_test=two, test_gone=HELLO, gone_test=HELLO)
    shared = HELLO.replace("streamtape\n", "streamtape('shared')\n")
    project.write(test_shared=shared)
    project.record()
    assert len(project.folders()) == 7
    project.write(test_chat=HELLO, chat_test=HELLO)
    for gone in ("test_gone", "gone_test"):
        (project.path / f"{gone}.py").unlink()


_GONE = [
    f"cassettes/{folder}"
    for folder in ("chat_test/test_other", "gone_test", "test_chat/test_other")
] + ["cassettes/test_gone"]


@pytest.mark.parametrize("unused", ["ignore", "warn", "fail"])
def test_folders_whose_tests_are_gone_are_told_or_fail_the_run(
    project: Project, unused: str
) -> None:
    _make_orphans(project)
    result = project.run(f"--streamtape-unused={unused}")
    result.assert_outcomes(passed=3)
    said = [line for line in result.outlines if "is there any more" in line]
    expected = f"no test of these folders is there any more: {', '.join(_GONE)}"
    assert said == ([] if unused == "ignore" else [expected])
    assert result.ret == (1 if unused == "fail" else 0)


def test_only_files_that_were_read_whole_have_orphans(project: Project) -> None:
    _make_orphans(project)
    fail = "--streamtape-unused=fail"
    assert project.run(fail, "test_chat.py::test_hello").ret == 0
    for args in (("-k", "hello"), ("-m", "streamtape"), ("test_chat.py",)):
        result = project.run(fail, *args)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        lines = "".join(result.outlines)
        assert "test_chat/test_other" in lines
        assert "test_hello" not in lines.partition("= streamtape =")[2]


def test_a_run_of_what_failed_last_has_no_orphans(project: Project) -> None:
    project.write(
        test_two="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            @pytest.mark.parametrize("name", ["good", "bad"])
            def test_two(name, request):
                assert ask(name)[0] == 200
                assert name == "good" or request.config.getoption("streamtape_mode")
        """
    )
    project.record()
    for args in ((), ("--lf",)):
        result = project.pytester.runpytest_inprocess(
            *besides("cacheprovider"), "--streamtape-unused=warn", *args
        )
        result.stdout.no_fnmatch_line("*is there any more*")
    result.assert_outcomes(failed=1)


def test_a_run_within_a_run_that_broke_off_leaves_nothing_to_tell(
    project: Project,
) -> None:
    project.write(test_chat=HELLO)
    project.record()
    result = project.run("-p", "no:terminal")
    assert result.ret == 0
    project.write(test_chat="def test_plain():\n    pass\n")
    project.run().stdout.no_fnmatch_line("*streamtape ==*")
