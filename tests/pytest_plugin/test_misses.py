"""Misses: they fail their test whatever the code under test makes of them."""

from __future__ import annotations

import shlex

import pytest

from pytest_plugin.projects import HELLO, Project

_SWALLOWS = """
import pytest
from wire import ask

@pytest.mark.streamtape
def test_swallows():
    try:
        ask("something else")
    except Exception:
        pass
"""

_ELSE = '"something else"'
_LONGER = '"hello", max_tokens={}'


def test_a_miss_fails_a_test_that_swallows_the_error(project: Project) -> None:
    project.write(test_a=_SWALLOWS)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*= FAILURES =*",
            "POST /v1/messages, model m, 1 message: no cassette in *test_swallows "
            "matches, as it is empty.",
            "Record first: pytest --streamtape-mode new_episodes "
            "test_a.py::test_swallows",
            "FAILED test_a.py::test_swallows*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert project.upstream.requests == []


def test_the_report_of_a_miss_says_what_differs_and_what_would_help(
    project: Project,
) -> None:
    project.write(test_a=_SWALLOWS.replace(_ELSE, _LONGER.format(900)))
    project.record()
    project.write(test_a=_SWALLOWS.replace(_ELSE, _LONGER.format(1000)))
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "The nearest is hello-*; recorded / requested:",
            "- max_tokens: 900 / 1000",
            "This rule in [[]tool.streamtape[]] of pyproject.toml would make it hit: "
            "ignore = *max_tokens*",
            "Or record this too: pytest --streamtape-mode new_episodes "
            "test_a.py::test_swallows",
        ]
    )


def test_the_command_in_the_advice_can_be_pasted(project: Project) -> None:
    source = """
        import pytest
        from wire import ask

        @pytest.mark.streamtape
        @pytest.mark.parametrize("name", ["it's a b"])
        def test_quoted(name):
            assert ask(name)[0] == 200
    """
    project.write(test_a=source)
    result = project.run()
    advice = "Record first: pytest "
    command = next(line for line in result.outlines if line.startswith(advice))
    project.record(*shlex.split(command.removeprefix(advice)))
    project.run().assert_outcomes(passed=1)


def test_a_test_that_fails_by_itself_shows_the_report_of_its_miss_too(
    project: Project,
) -> None:
    project.write(test_a=HELLO)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *assert*",
            "*- streamtape -*",
            "POST /v1/messages, model m, 1 message: no cassette in*",
        ]
    )
    # Once: what the assertion shows of it is as long as the folder's name lets it.
    assert sum(line.startswith("POST /v1/mess") for line in result.outlines) == 1


def test_each_request_that_missed_is_reported_once(project: Project) -> None:
    project.write(
        test_a="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_two():
                for prompt in ("one", "one", "two"):
                    ask(prompt)
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    said = [line for line in result.outlines if line.startswith("POST /v1/messages")]
    assert len(said) == 2


def test_a_miss_counts_even_if_the_test_then_skips_itself(project: Project) -> None:
    project.write(
        test_a="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_skips():
                if ask("hello")[0] != 200:
                    pytest.skip("the API is down")
        """
    )
    project.run().assert_outcomes(failed=1)


def test_an_expected_failure_may_be_a_miss(project: Project) -> None:
    project.write(
        test_a="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            @pytest.mark.xfail(strict=True)
            def test_known():
                assert ask("hello")[0] == 200
        """
    )
    project.run().assert_outcomes(xfailed=1)


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_a_miss_in_a_fixture_fails_the_test(project: Project, when: str) -> None:
    before, after = (
        ("ask('hello')", "pass") if when == "setup" else ("pass", "ask('hello')")
    )
    project.write(
        test_a=f"""
            import pytest
            from wire import ask

            @pytest.fixture
            def asking():
                {before}
                yield
                {after}

            @pytest.mark.streamtape
            def test_fixture(asking):
                pass
        """
    )
    result = project.run()
    if when == "setup":
        result.assert_outcomes(failed=1)
    else:
        result.assert_outcomes(passed=1, errors=1)
    said = [line for line in result.outlines if line.startswith("POST /v1/messages")]
    assert len(said) == 1


def test_a_miss_in_a_thread_during_teardown_fails_the_test(project: Project) -> None:
    project.write(
        test_a="""
            import threading
            import pytest
            from wire import ask

            @pytest.fixture
            def worker():
                ended = threading.Event()

                def work():
                    ended.wait()
                    ask("in a thread")

                thread = threading.Thread(target=work)
                thread.start()
                yield
                ended.set()
                thread.join()

            @pytest.mark.streamtape
            def test_thread(worker):
                pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["POST /v1/messages, model m, 1 message: no cassette*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


_LATE = """
import os
import threading
import pytest
from wire import ask

URLS = []

@pytest.mark.streamtape
def test_early():
    assert ask("hello")[0] == 200
    URLS.append(os.environ["ANTHROPIC_BASE_URL"])

@pytest.mark.streamtape
def test_other():
    for _ in range(2):
        status, body = ask("hello", URLS[0])
        assert status == 424 and "test_early has ended" in body
    assert ask("hello")[0] == 200
"""


def test_a_request_after_the_end_of_its_test_fails_the_run_and_no_other_test(
    project: Project,
) -> None:
    project.write(test_late=_LATE)
    result = project.run("--streamtape-mode=once")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = [line for line in result.outlines if "after it had ended" in line]
    assert said == [
        "test_late.py::test_early: asked something after it had ended; that failed"
    ]
    assert project.folders() == ["test_late/test_early", "test_late/test_other"]
    result = project.run()
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_cassette_that_is_damaged_fails_a_test_that_swallows_the_error(
    project: Project,
) -> None:
    project.write(test_a=_SWALLOWS)
    project.record()
    (tape,) = (project.path / "cassettes").rglob("*.tape")
    tape.write_bytes(tape.read_bytes()[:-200].replace(b"Re: ", b"XX: "))
    project.run().assert_outcomes(failed=1)


def test_a_miss_is_no_ones_but_the_tests_that_asked(project: Project) -> None:
    project.write(test_a=_SWALLOWS, test_b=HELLO)
    project.record("test_b.py")
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED test_a.py::test_swallows*"])


def test_cassettes_of_the_project_at_large_answer_no_test(project: Project) -> None:
    project.write(test_b=HELLO)
    project.record()
    (tape,) = (project.path / "cassettes").rglob("*.tape")
    (project.path / tape.name).write_bytes(tape.read_bytes())
    project.write(
        test_b="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_root(streamtape):
                root = streamtape.base_url.rpartition("/")[0]
                assert ask("hello", root)[0] == 424
        """
    )
    project.run().assert_outcomes(passed=1)
