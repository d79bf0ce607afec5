"""Options, ini values, variables and CI: which of them holds."""

from __future__ import annotations

import pytest

from pytest_plugin.projects import HELLO, Project

_TOLD = """
import pytest

@pytest.fixture
def streamtape_config():
    return {config}

@pytest.mark.streamtape({mark})
def test_told(streamtape):
    pacing = streamtape._scope.policy.pacing
    print("told", streamtape.mode, pacing.speed, "told")
"""


def _told(
    project: Project, *args: str, config: str = "{}", mark: str = ""
) -> tuple[str, str]:
    project.write(test_told=_TOLD.format(config=config, mark=mark))
    result = project.run("-s", *args)
    result.assert_outcomes(passed=1)
    told = next(line for line in result.outlines if "told " in line)
    mode, speed = told.partition("told ")[2].split()[:2]
    return mode, speed


def test_by_default_nothing_is_recorded_and_nothing_waits(project: Project) -> None:
    assert _told(project) == ("none", "inf")


def test_each_place_is_stronger_than_the_one_before(project: Project) -> None:
    project.ini("streamtape_mode = once\nstreamtape_speed = 2")
    assert _told(project) == ("once", "2.0")
    config = "{'mode': 'all', 'speed': 3}"
    assert _told(project, config=config) == ("all", "3.0")
    mark = "mode='new_episodes', speed=4"
    assert _told(project, config=config, mark=mark) == ("new_episodes", "4.0")
    project.setenv("STREAMTAPE_MODE", "passthrough")
    project.setenv("STREAMTAPE_SPEED", "5")
    assert _told(project, config=config, mark=mark) == ("passthrough", "5.0")
    args = ("--streamtape-mode=once", "--streamtape-speed=6")
    assert _told(project, *args, config=config, mark=mark) == ("once", "6.0")


def test_the_settings_of_a_run_are_read_for_each_run(project: Project) -> None:
    assert _told(project, "--streamtape-mode=once")[0] == "once"
    assert _told(project)[0] == "none"


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        *((word, word) for word in ("none", "once", "new_episodes", "all")),
        ("passthrough", "passthrough"),
        ("rewrite", "all"),
    ],
)
def test_the_words_for_modes_are_those_of_others_too(
    project: Project, word: str, mode: str
) -> None:
    assert _told(project, f"--streamtape-mode={word}")[0] == mode
    assert _told(project, mark=f"mode={word!r}")[0] == mode
    project.setenv("STREAMTAPE_MODE", word)
    assert _told(project)[0] == mode


def test_the_last_of_record_and_mode_holds(project: Project) -> None:
    assert _told(project, "--streamtape-record")[0] == "all"
    args = ("--streamtape-record", "--streamtape-mode=once")
    assert _told(project, *args)[0] == "once"


@pytest.mark.parametrize("ci", ["true", "1"])
def test_with_ci_only_the_command_line_can_record(project: Project, ci: str) -> None:
    project.setenv("CI", ci)
    project.setenv("STREAMTAPE_MODE", "all")
    project.ini("streamtape_mode = once")
    assert _told(project, config="{'mode': 'all'}", mark="mode='all'")[0] == "none"
    assert _told(project, "--streamtape-mode=once")[0] == "once"
    assert _told(project, "--streamtape-record")[0] == "all"


@pytest.mark.parametrize("ci", ["", "0", "false", "False"])
def test_a_ci_that_says_no_is_none(project: Project, ci: str) -> None:
    project.setenv("CI", ci)
    assert _told(project, mark="mode='once'")[0] == "once"


def test_a_recording_is_not_begun_in_ci(project: Project) -> None:
    project.setenv("CI", "true")
    project.write(test_chat=HELLO.replace("streamtape\n", "streamtape(mode='all')\n"))
    project.run().assert_outcomes(failed=1)
    assert project.upstream.requests == []
    assert not (project.path / "cassettes").exists()


@pytest.mark.parametrize(
    ("args", "ini", "said"),
    [
        (
            ("--streamtape-mode=some",),
            "",
            "*--streamtape-mode: invalid choice: 'some'*",
        ),
        (("--streamtape-unused=x",), "", "*--streamtape-unused: invalid choice: 'x'*"),
        (
            (),
            "streamtape_unused = x",
            "ERROR: streamtape_unused: expected one of ignore, warn, fail; got 'x'",
        ),
    ],
    ids=["mode", "unused", "ini"],
)
def test_a_choice_that_there_is_not_ends_the_run(
    project: Project, args: tuple[str, ...], ini: str, said: str
) -> None:
    project.ini(ini)
    project.write(test_chat=HELLO)
    result = project.run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_the_upstream_can_be_set_in_each_place(project: Project) -> None:
    url = project.upstream.url
    project.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    chat = HELLO.replace("streamtape\n", "streamtape(upstream=UPSTREAM)\n")
    project.write(test_mark=f"UPSTREAM = {url!r}\n{chat}")
    project.record()

    project.setenv("STREAMTAPE_UPSTREAM", url)
    project.write(test_variable=HELLO)
    project.record("test_variable.py")

    project.setenv("STREAMTAPE_UPSTREAM", "")
    project.write(test_ini=HELLO)
    project.ini(f"streamtape_upstream = {url}")
    project.record("test_ini.py")

    project.ini("")
    table = f'[tool.streamtape]\nupstream = "{url}"\n'
    (project.path / "pyproject.toml").write_text(table, encoding="utf-8")
    project.write(test_table=HELLO)
    project.record("test_table.py")
    assert project.folders() == [
        "test_ini/test_hello",
        "test_mark/test_hello",
        "test_table/test_hello",
        "test_variable/test_hello",
    ]


_TIMED = """
import itertools
import pytest
from wire import ask

@pytest.mark.streamtape
def test_timed(request):
    is_recording = request.config.getoption("streamtape_mode")
    time = "12:00" if is_recording else "13:30"
    assert "Re: it is 12:00" in ask(f"it is {time}")[1]
"""


@pytest.mark.parametrize("where", ["pyproject.toml", "streamtape.toml"])
def test_the_rules_of_the_project_hold(project: Project, where: str) -> None:
    project.write(test_timed=_TIMED)
    project.record()
    project.run().assert_outcomes(failed=1)
    table = "[tool.streamtape]\n" if where == "pyproject.toml" else ""
    rule = f"{table}replace = [['[0-9]+:[0-9]+', 'TIME']]\n"
    (project.path / where).write_text(rule, encoding="utf-8")
    project.run().assert_outcomes(passed=1)


def test_what_is_ignored_can_be_said_in_ini_and_marks(project: Project) -> None:
    project.write(test_timed=_TIMED)
    project.record()
    project.ini("streamtape_ignore =\n    $.model\n    $.messages[0].content")
    project.run().assert_outcomes(passed=1)
    project.ini("")
    mark = "streamtape(ignore=['$.messages[*].content'])\n"
    project.write(test_timed=_TIMED.replace("streamtape\n", mark))
    project.run().assert_outcomes(passed=1)


def test_a_project_whose_settings_are_wrong_fails_with_a_sentence(
    project: Project,
) -> None:
    wrong = "[tool.streamtape]\nignor = ['$.model']\n"
    (project.path / "pyproject.toml").write_text(wrong, encoding="utf-8")
    project.write(test_chat=HELLO)
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*unknown key "ignor"; did you mean "ignore"?*'])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_exhausted_takes_are_a_miss_unless_a_mark_says_otherwise(
    project: Project,
) -> None:
    twice = """
        import pytest
        from wire import ask

        @pytest.mark.streamtape({})
        def test_twice(request):
            times = 1 if request.config.getoption("streamtape_mode") else 2
            for _ in range(times):
                assert ask("hello")[0] == 200
    """
    project.write(test_twice=twice.format(""))
    project.record()
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the only recorded take of hello-* was used*"])
    for exhausted in ("last", "cycle"):
        project.write(test_twice=twice.format(f"exhausted={exhausted!r}"))
        project.run().assert_outcomes(passed=1)


def test_without_the_plugin_a_run_is_as_if_it_were_not_there(project: Project) -> None:
    project.write(
        test_plain="""
            import os

            def test_plain():
                assert os.environ["ANTHROPIC_API_KEY"] == "a-real-key"
        """,
        test_chat=HELLO,
    )
    result = project.run("-p", "no:streamtape", "test_plain.py")
    result.assert_outcomes(passed=1)
    assert "streamtape" not in "".join(result.outlines[3:])
    result = project.run("-p", "no:streamtape", "--streamtape-record")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --streamtape-record*"])
