"""
Recording: what lands where, and what is left of tests that fail or are broken off.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import streamtape
from e2e.processes import usual_signals
from pytest_plugin.projects import HELLO, Project, besides

_ASKS = """
import pytest
from wire import ask

@pytest.mark.streamtape{mark}
def test_asks():
    for prompt in {prompts!r}:
        assert ask(prompt)[0] == 200
    assert {passes}
"""


def _asks(*prompts: str, mark: str = "", passes: bool = True) -> str:
    return _ASKS.format(mark=mark, prompts=prompts, passes=passes)


def _stems(project: Project, folder: str = "test_asks/test_asks") -> list[str]:
    tapes = (project.path / "cassettes" / folder).glob("*")
    return sorted(tape.name.rpartition("-")[0] for tape in tapes)


def test_a_recording_lands_in_the_folder_of_its_test_and_nothing_else_is_left(
    project: Project,
) -> None:
    project.write(test_asks=_asks("one", "two"))
    project.record()
    assert _stems(project) == ["one", "two"]
    assert project.leftovers() == []
    assert [path.name for path in (project.path / "cassettes").iterdir()] == [
        "test_asks"
    ]
    assert b"a-secret-key" not in b"".join(project.tapes().values())


def test_a_test_that_fails_keeps_its_old_cassettes_and_says_where_the_new_ones_are(
    project: Project,
) -> None:
    project.write(test_asks=_asks("one"))
    project.record()
    before = project.tapes()
    project.write(test_asks=_asks("two", passes=False))

    result = project.run("--streamtape-record")

    result.assert_outcomes(failed=1)
    assert project.tapes() == before
    assert project.leftovers() == []
    (line,) = (line for line in result.outlines if "was left in" in line)
    assert line.startswith("test_asks.py::test_asks: the test failed, so what it")
    kept = Path(line.rpartition("was left in ")[2])
    assert [tape.name.partition("-")[0] for tape in kept.iterdir()] == ["two"]


_SWALLOWS = """
import pytest
from wire import ask

{fixture}
@pytest.mark.streamtape{mark}
def test_asks():
    ask({prompt!r})
"""


@pytest.mark.parametrize("prompt", ["one", "two"], ids=["hit", "miss"])
@pytest.mark.parametrize(
    "option", ["record", "mode=new_episodes", "mode=once", "mode=passthrough"]
)
def test_an_exported_replay_is_not_recorded_again(
    project: Project, option: str, prompt: str
) -> None:
    """The test fails, whatever it made of the error, and its cassettes stay."""
    project.write(test_asks=_asks("one", "three"))
    project.record()
    before = project.tapes()
    tapes = project.path / "cassettes" / "test_asks" / "test_asks"
    other = project.path / "other"
    with streamtape.replay(tapes, speed="instant") as replay:
        project.setenv("ANTHROPIC_BASE_URL", replay.base_url)
        project.ini("streamtape_dir = other" if option != "record" else "")
        project.write(test_asks=_SWALLOWS.format(fixture="", mark="", prompt=prompt))

        result = project.run(f"--streamtape-{option}")

    result.assert_outcomes(failed=1)
    (line,) = (each for each in result.outlines if each.startswith("the upstream "))
    assert line.startswith(
        f"the upstream {replay.base_url} (from ANTHROPIC_BASE_URL) is a streamtape"
    )
    assert "unset ANTHROPIC_BASE_URL" in line
    assert project.tapes() == before
    assert project.leftovers() == []
    assert not [path for path in other.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("ini", "streamtape_upstream"),
        ("fixture", "the fixture streamtape_config"),
        ("mark", "@pytest.mark.streamtape"),
        ("variable", "STREAMTAPE_UPSTREAM"),
        ("file", "pyproject.toml"),
    ],
)
def test_a_streamtape_upstream_is_told_with_the_place_that_names_it(
    project: Project, where: str, source: str, tmp_path: Path
) -> None:
    """Every place where an upstream can be set, each with its own name."""
    fixture = mark = ""
    (tmp_path / "empty").mkdir()
    with streamtape.replay(tmp_path / "empty") as replay:
        url = replay.base_url
        match where:
            case "ini":
                project.ini(f"streamtape_upstream = {url}")
            case "fixture":
                head = "@pytest.fixture\ndef streamtape_config():\n"
                fixture = f"{head}    return {{'upstream': {url!r}}}"
            case "mark":
                mark = f"(upstream={url!r})"
            case "variable":
                project.setenv("STREAMTAPE_UPSTREAM", url)
            case "file":
                table = f'[tool.streamtape]\nupstream = "{url}"\n'
                (project.path / "pyproject.toml").write_text(table, encoding="utf-8")
        project.write(
            test_asks=_SWALLOWS.format(fixture=fixture, mark=mark, prompt="one")
        )
        result = project.run("--streamtape-record")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"the upstream {url} (from {source}) is a *"])


def test_a_fixture_may_name_the_upstream_of_one_test(project: Project) -> None:
    """What SDKs read counts when a test begins, not when the first one began."""
    api = project.upstream.url
    project.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    project.write(
        test_asks=f"""
        import pytest
        from wire import ask

        @pytest.mark.streamtape
        def test_first():
            assert ask("one")[0] == 502

        @pytest.fixture
        def own_api(monkeypatch):
            monkeypatch.setenv("ANTHROPIC_BASE_URL", {api!r})

        @pytest.fixture
        def tape(own_api, streamtape):
            return streamtape

        def test_second(tape):
            assert ask("two", tape.base_url)[0] == 200
        """
    )
    result = project.run("--streamtape-record")
    # Nothing answered the first, so every replay would miss it.
    result.assert_outcomes(passed=1, failed=1)
    assert project.folders() == ["test_asks/test_second"]


def test_a_test_that_fails_without_having_recorded_leaves_nothing(
    project: Project,
) -> None:
    project.write(test_asks=_asks(passes=False))
    result = project.run("--streamtape-record")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*was left in*")
    assert project.tapes() == {}
    assert project.leftovers() == []


def test_of_new_episodes_a_failing_test_leaves_only_what_is_new(
    project: Project,
) -> None:
    project.write(test_asks=_asks("one"))
    project.record()
    before = project.tapes()
    project.write(test_asks=_asks("one", "two", passes=False))
    result = project.run("--streamtape-mode=new_episodes")
    result.assert_outcomes(failed=1)
    assert project.tapes() == before
    (line,) = (line for line in result.outlines if "was left in" in line)
    kept = Path(line.rpartition("was left in ")[2])
    assert [tape.name.partition("-")[0] for tape in kept.iterdir()] == ["two"]


@pytest.mark.parametrize(
    "how", ["pytest.skip('no')", "pytest.xfail('known')", "pytest.fail('no')"]
)
def test_only_a_test_that_has_passed_changes_its_cassettes(
    project: Project, how: str
) -> None:
    project.write(test_asks=_asks("one"))
    project.record()
    before = project.tapes()
    project.write(test_asks=f"{_asks('two')}    {how}\n")
    project.run("--streamtape-record")
    assert project.tapes() == before
    assert project.leftovers() == []


def test_all_replaces_the_whole_folder(project: Project) -> None:
    project.write(test_asks=_asks("one", "two"))
    project.record()
    project.write(test_asks=_asks("two", "three"))
    project.record()
    assert _stems(project) == ["three", "two"]


def test_what_is_no_cassette_stays_in_the_folder(project: Project) -> None:
    project.write(test_asks=_asks("one"))
    project.record()
    folder = project.path / "cassettes/test_asks/test_asks"
    (folder / "README").write_text("why", encoding="utf-8")
    (folder / "parts").mkdir()
    (folder / "parts/picture").write_text("what", encoding="utf-8")
    for mode in ("all", "new_episodes"):
        project.write(test_asks=_asks("two", mode))
        project.record(f"--streamtape-mode={mode}")
        assert (folder / "README").read_text(encoding="utf-8") == "why"
        assert (folder / "parts/picture").read_text(encoding="utf-8") == "what"
    assert project.leftovers() == []


def test_new_episodes_keep_what_there_is_and_add_what_is_new(project: Project) -> None:
    project.write(test_asks=_asks("one"))
    project.record()
    before = project.tapes()
    project.write(test_asks=_asks("one", "two"))
    project.run("--streamtape-mode=new_episodes").assert_outcomes(passed=1)
    assert _stems(project) == ["one", "two"]
    assert project.tapes().items() > before.items()
    assert len(project.upstream.requests) == 1


def test_once_records_only_where_there_is_nothing(project: Project) -> None:
    project.write(test_asks=_asks("one", mark="(mode='once')"))
    project.run().assert_outcomes(passed=1)
    assert _stems(project) == ["one"]
    before = project.tapes()
    project.write(test_asks=_asks("one", "two", mark="(mode='once')"))
    project.run().assert_outcomes(failed=1)
    assert project.tapes() == before
    assert len(project.upstream.requests) == 1


def test_passthrough_asks_the_api_and_writes_nothing(project: Project) -> None:
    project.write(test_asks=_asks("one", mark="(mode='passthrough')"))
    result = project.run("--streamtape-report")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["LIVE *test_asks.py::test_asks  (1 forwarded)"])
    assert len(project.upstream.requests) == 1
    assert not (project.path / "cassettes").exists()


def test_a_record_of_the_same_request_twice_makes_two_takes(project: Project) -> None:
    project.write(test_asks=_asks("one", "one"))
    project.record()
    project.run().assert_outcomes(passed=1)
    assert len(project.tapes()) == 2
    project.record()
    assert len(project.tapes()) == 2


_SHARING = """
import pytest
from wire import ask

pytestmark = pytest.mark.streamtape(cassettes="shared")

def test_one():
    assert ask("one")[0] == 200

def test_both():
    assert ask("one")[0] == ask("two")[0] == 200
"""


@pytest.mark.parametrize("mode", ["all", "new_episodes"])
def test_tests_can_share_a_folder(project: Project, mode: str) -> None:
    project.write(test_sharing=_SHARING)
    for _ in range(2):
        project.record(f"--streamtape-mode={mode}")
        assert project.folders() == ["shared"]
        assert set(_stems(project, "shared")) == {"one", "two"}
        project.run().assert_outcomes(passed=2)
    assert project.leftovers() == []


def test_a_shared_folder_may_have_others_in_it(project: Project) -> None:
    project.write(test_sharing=_SHARING)
    project.record()
    inner = project.path / "cassettes/shared/inner"
    inner.mkdir()
    for tape in inner.parent.glob("*.tape"):
        tape.rename(inner / tape.name)
    before = project.tapes()
    for mode in ("new_episodes", "once"):
        project.run(f"--streamtape-mode={mode}").assert_outcomes(passed=2)
    assert project.tapes() == before
    assert project.upstream.requests == []


def test_one_test_records_its_part_of_a_shared_folder(project: Project) -> None:
    project.write(test_sharing=_SHARING)
    project.record()
    before = project.tapes()
    project.record("test_sharing.py::test_one")
    after = project.tapes()
    assert after.keys() == before.keys()
    project.run().assert_outcomes(passed=2)


def test_an_answer_that_outlives_its_test_leaves_no_half_folder(
    project: Project,
) -> None:
    project.write(
        test_slow="""
            import http.client
            import threading
            import pytest
            import wire

            THREADS = []

            @pytest.mark.streamtape
            def test_ends(monkeypatch):
                assert wire.ask("hello")[0] == 200
                begun = threading.Event()

                class Response(http.client.HTTPResponse):
                    def begin(self):
                        super().begin()
                        begun.set()

                def ask():
                    try:
                        wire.ask("slowly" + 400 * " and slowly")
                    except Exception:
                        pass

                with monkeypatch.context() as patch:
                    connection = http.client.HTTPConnection
                    patch.setattr(connection, "response_class", Response)
                    THREADS.append(threading.Thread(target=ask))
                    THREADS[0].start()
                    begun.wait()

            def test_joins():
                THREADS[0].join()
        """
    )
    result = project.run("--streamtape-record")
    result.assert_outcomes(passed=2)
    assert _stems(project, "test_slow/test_ends") == ["hello"]
    assert project.leftovers() == []


def test_a_folder_that_cant_be_written_to_fails_its_test_with_a_sentence(
    project: Project,
) -> None:
    project.write(test_chat=HELLO)
    (project.path / "cassettes").write_text("a file", encoding="utf-8")
    result = project.run("--streamtape-record")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cassettes/test_chat/test_hello: can't be written*"])
    assert project.upstream.requests == []


_INTERRUPTED = """
import pytest
from wire import ask, wait_for_a_signal

@pytest.mark.streamtape
def test_first():
    assert ask("first")[0] == 200

@pytest.mark.streamtape
def test_second():
    ask("second")
    print("in the middle", flush=True)
    wait_for_a_signal()
"""


@pytest.mark.parametrize("earlier", [True, False], ids=["again", "first time"])
def test_ctrl_c_in_the_middle_leaves_every_folder_whole(
    project: Project, earlier: bool
) -> None:
    if earlier:
        source = _INTERRUPTED.replace("wait_for_a_signal()", "pass").replace(
            '"second"', '"old"'
        )
        project.write(test_stopped=source)
        project.record()
    before = project.tapes()
    project.write(test_stopped=_INTERRUPTED)
    command = [
        *(sys.executable, "-m", "pytest", "-s", *besides(), "--streamtape-record"),
    ]
    with (
        usual_signals(),
        subprocess.Popen(
            command,
            cwd=project.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        assert running.stdout is not None
        for line in running.stdout:
            if "in the middle" in line:
                break
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait() == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in rest
    after = project.tapes()
    assert project.leftovers() == []
    second = "test_stopped/test_second"
    assert {name: tape for name, tape in after.items() if second in name} == {
        name: tape for name, tape in before.items() if second in name
    }
    assert project.folders() == ["test_stopped/test_first", *([second] * earlier)]
    assert "test_second: the test failed, so what it recorded was left in" in rest
