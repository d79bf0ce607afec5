"""
The plugin in processes: apps under test, what a run imports and what it leaves open.
"""

from __future__ import annotations

import shutil
from typing import Final

import pytest

from pytest_plugin.projects import HELLO, Project


def test_a_python_app_under_test_inherits_the_environment(project: Project) -> None:
    project.write(
        app="from wire import ask\n\nprint(ask('hello')[1])\n",
        test_app="""
            import os
            import subprocess
            import sys
            import pytest

            @pytest.mark.streamtape
            def test_inherited(streamtape):
                said = subprocess.check_output([sys.executable, "app.py"], text=True)
                assert "Re: hello" in said
                assert len(streamtape.interactions) == 1

            def test_given(streamtape):
                env = {**os.environ, **streamtape.env}
                command = [sys.executable, "app.py"]
                said = subprocess.check_output(command, env=env, text=True)
                assert "Re: hello" in said
        """,
    )
    project.record()
    project.run().assert_outcomes(passed=2)
    assert project.upstream.requests == []


@pytest.mark.node
def test_an_app_of_node_under_test_inherits_the_environment(project: Project) -> None:
    assert shutil.which("node"), "node is needed"
    app = """
        const url = `${process.env.ANTHROPIC_BASE_URL}/v1/messages`;
        const message = { role: "user", content: "hello from node" };
        const body = JSON.stringify({ model: "m", max_tokens: 9, messages: [message] });
        const headers = { "content-type": "application/json", "x-api-key": "a-key" };
        const answer = await fetch(url, { method: "POST", headers, body });
        for await (const chunk of answer.body) process.stdout.write(chunk);
    """
    (project.path / "app.mjs").write_text(app, encoding="utf-8")
    project.write(
        test_app="""
            import subprocess
            import pytest

            @pytest.mark.streamtape
            def test_node():
                said = subprocess.check_output(["node", "app.mjs"], text=True)
                assert "Re: hello from node" in said
        """
    )
    project.record()
    project.run().assert_outcomes(passed=1)


_HEAVY: Final = (
    *("aiohttp", "asyncio", "msgpack", "click", "rich", "regex", "jsonpath_rfc9535"),
    *("streamtape.server", "streamtape.library", "streamtape.pytest_plugin.run"),
)


@pytest.mark.parametrize(
    "args",
    [(), ("--streamtape-mode=none", "--streamtape-speed=2", "--streamtape-report")],
    ids=["plain", "options"],
)
def test_a_run_that_does_not_use_the_plugin_imports_nothing_heavy(
    project: Project, args: tuple[str, ...]
) -> None:
    project.write(
        conftest=f"""
            import sys

            def pytest_unconfigure():
                print("imported", sorted(sys.modules.keys() & {set(_HEAVY)!r}))
        """,
        test_plain="def test_plain():\n    pass\n",
    )
    result = project.run_apart(*args)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["imported []"])


def test_a_long_run_leaves_no_threads_descriptors_or_files(project: Project) -> None:
    project.write(
        conftest="""
            import os
            import threading

            THREADS = threading.active_count()

            def descriptors():
                return len(os.listdir("/proc/self/fd"))

            OPEN = []

            def pytest_runtest_logfinish(nodeid):
                OPEN.append((descriptors(), threading.active_count()))

            def pytest_unconfigure():
                print("threads left", threading.active_count() - THREADS)
                files, threads = (OPEN[-1][i] - OPEN[10][i] for i in range(2))
                # The server may not have closed the last connection yet.
                print("threads more", threads, "files more", max(files, 0) // 3 * 3)
        """,
        test_many="""
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            @pytest.mark.parametrize("number", range(60))
            def test_many(number):
                assert f"Re: {number}." in ask(f"{number}.")[1]
        """,
    )
    for args in (("--streamtape-record",), ()):
        basetemp = project.path / "temporary"
        result = project.run_apart(
            *("-q", "-s", f"--basetemp={basetemp}", *args),
        )
        result.assert_outcomes(passed=60)
        result.stdout.fnmatch_lines(["threads left 0", "threads more 0 files more 0"])
        assert not any(path.is_file() for path in basetemp.rglob("*"))
    assert project.leftovers() == []


def test_a_second_run_in_one_process_has_a_server_of_its_own(
    project: Project,
) -> None:
    project.write(test_chat=HELLO)
    project.record()
    for _ in range(3):
        project.run().assert_outcomes(passed=1)


def test_a_stop_at_the_first_failure_ends_the_server_too(project: Project) -> None:
    project.write(
        conftest="""
            import threading

            def pytest_unconfigure():
                names = [thread.name for thread in threading.enumerate()]
                assert "streamtape" not in names
        """,
        test_chat=HELLO,
    )
    result = project.run("-x")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
