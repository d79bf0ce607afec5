"""Other plugins beside ours: workers, reruns, chance, and what runs async tests."""

from __future__ import annotations

import re
from typing import Final

import pytest

from pytest_plugin.projects import HELLO, Project

_MANY: Final = """
import pytest
from wire import ask

@pytest.mark.streamtape
@pytest.mark.parametrize("number", range({tests}))
def test_own(number, streamtape):
    assert f"Re: own {{number}}." in ask(f"own {{number}}.")[1]
    assert [each.outcome for each in streamtape.interactions] == [{outcome!r}]

@pytest.mark.streamtape(cassettes="shared", exhausted="cycle")
@pytest.mark.parametrize("number", range({sharing}))
def test_shared(number):
    assert f"Re: shared {{number % 5}}." in ask(f"shared {{number % 5}}.")[1]
"""


def _summary(result: pytest.RunResult) -> str:
    return next(line for line in result.outlines if "; saved" in line)


@pytest.mark.parametrize(
    ("count", "tests", "sharing", "dist"),
    [
        pytest.param(2, 12, 6, "load", id="few"),
        pytest.param(
            *(8, 200, 20, "worksteal"),
            id="eight",
            marks=[pytest.mark.case(86), pytest.mark.slow],
        ),
        pytest.param(4, 200, 20, "load", id="many", marks=pytest.mark.slow),
        pytest.param(4, 200, 20, "worksteal", id="stolen", marks=pytest.mark.slow),
    ],
)
def test_workers_record_and_replay_many_tests_and_their_counts_are_summed(
    project: Project, count: int, tests: int, sharing: int, dist: str
) -> None:
    workers = (f"-n{count}", f"--dist={dist}", "-q")
    project.write(test_many=_MANY.format(tests=5, sharing=5, outcome="recorded"))
    project.record("-k", "shared")

    project.write(test_many=_MANY.format(tests=tests, sharing=0, outcome="recorded"))
    result = project.run("--streamtape-record", "-k", "own", *workers, needs=("xdist",))
    assert result.ret == 0
    assert _summary(result).startswith(f"{tests} recorded;")
    assert len(project.folders()) == tests + 1
    assert project.leftovers() == []
    project.upstream.requests.clear()

    project.write(
        test_many=_MANY.format(tests=tests, sharing=sharing, outcome="replayed")
    )
    before = project.tapes()
    result = project.run(
        "--streamtape-unused=fail", "--junit-xml=x.xml", *workers, needs=("xdist",)
    )
    assert result.ret == 0
    assert _summary(result).startswith(f"{tests + sharing} replayed;")
    assert project.upstream.requests == []
    assert project.tapes() == before
    xml = (project.path / "x.xml").read_text(encoding="utf-8")
    assert xml.count('name="streamtape" value="HIT"') == tests + sharing


def test_workers_do_not_record_in_a_shared_folder(project: Project) -> None:
    shared = HELLO.replace("streamtape\n", "streamtape('shared')\n")
    project.write(test_shared=shared)
    result = project.run("-n1", "--streamtape-record", needs=("xdist",))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*streamtape: shared is shared, and workers of xdist would*without -n*"]
    )
    assert project.upstream.requests == []


@pytest.mark.slow
def test_what_workers_find_is_told_and_fails_the_run(project: Project) -> None:
    project.write(
        test_late="""
            import os
            import pytest
            from wire import ask

            URLS = []

            @pytest.mark.streamtape
            def test_early():
                URLS.append(os.environ["ANTHROPIC_BASE_URL"])

            def test_late():
                assert ask("hello", URLS[0])[0] == 424

            @pytest.mark.streamtape
            def test_fails():
                ask("hello")
                assert False
        """
    )
    result = project.run(
        *("-n2", "--dist=loadfile", "--streamtape-record", "--streamtape-report"),
        *("--deselect", "test_late.py::test_fails"),
        needs=("xdist",),
    )
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["test_late.py::test_early: asked something after it had ended; that failed"]
    )
    (project.path / "cassettes/test_late/test_gone").mkdir(parents=True)
    result = project.run(
        *("-n2", "--dist=loadfile", "--streamtape-record", "--streamtape-report"),
        "--streamtape-unused=warn",
        needs=("xdist",),
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "RECORDED *test_late.py::test_fails  (1 recorded)",
            "no test of these folders is there any more: cassettes/test_late/test_gone",
            "test_late.py::test_fails: the test failed, so what it recorded was left*",
        ]
    )


def test_a_rerun_begins_with_the_first_take(project: Project) -> None:
    project.write(
        test_flaky="""
            import pytest
            from wire import ask

            TRIES = []

            @pytest.mark.streamtape
            def test_flaky(request, streamtape):
                TRIES.append(1)
                assert "Re: hello" in ask("hello")[1]
                assert len(streamtape.requests) == 1
                assert streamtape.misses == []
                is_replay = request.config.getoption("streamtape_mode") is None
                assert not is_replay or len(TRIES) == 3

            MISSES = []

            @pytest.mark.streamtape
            def test_misses(request):
                MISSES.append(1)
                is_replay = request.config.getoption("streamtape_mode") is None
                ask("other" if is_replay and len(MISSES) < 3 else "hello")
        """
    )
    project.record()
    result = project.run(
        *("--reruns=2", "--junit-xml=x.xml"),
        "--streamtape-report",
        needs=("rerunfailures",),
    )
    assert result.ret == 0
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["rerun"]) == (2, 4)
    result.stdout.fnmatch_lines(
        [
            "HIT *test_flaky  (1 replayed)",
            "HIT *test_misses  (1 replayed)",
            "2 replayed; saved*",
        ]
    )
    xml = (project.path / "x.xml").read_text(encoding="utf-8")
    cases = re.findall("<testcase .*?</testcase>", xml)
    worst = [re.findall('name="streamtape" value="([A-Z]+)"', case) for case in cases]
    assert worst == [["HIT"], ["HIT"], ["HIT"], ["MISS"], ["MISS"], ["HIT"]]


def test_a_rerun_while_recording_begins_with_nothing(project: Project) -> None:
    project.write(
        test_flaky="""
            import pytest
            from wire import ask

            TRIES = []

            @pytest.mark.streamtape
            def test_flaky():
                TRIES.append(1)
                assert ask(f"try {len(TRIES)}")[0] == 200
                assert len(TRIES) == 2
        """
    )
    result = project.run("--reruns=2", "--streamtape-record", needs=("rerunfailures",))
    assert result.ret == 0
    (tape,) = project.tapes()
    assert tape.startswith("test_flaky/test_flaky/try-2-")


def test_any_order_of_tests_gives_the_same(project: Project) -> None:
    project.write(test_many=_MANY.format(tests=30, sharing=5, outcome="recorded"))
    project.record()
    project.write(test_many=_MANY.format(tests=30, sharing=5, outcome="replayed"))
    result = project.run(
        *("-v", "--randomly-seed=7"),
        "--streamtape-unused=fail",
        needs=("randomly",),
    )
    result.assert_outcomes(passed=35)
    numbers = re.findall(r"test_own\[(\d+)\] PASSED", result.stdout.str())
    assert len(numbers) == 30
    assert numbers != sorted(numbers, key=int)


_ASYNC: Final = """
import {anyio}
import pytest
from wire import ask

pytestmark = [pytest.mark.streamtape{mark}]

async def test_in_a_loop(streamtape):
    status, body = await {call}
    assert "Re: hello" in body
    assert streamtape.misses == []

async def test_with_a_client(client_url, streamtape):
    assert client_url == streamtape.base_url
    assert "Re: hello" in (await {call})[1]
"""

_SCOPE: Final = "asyncio_default_fixture_loop_scope = function"

_FIXTURE: Final = """
import os
import pytest

{import_}

{fixture}
async def client_url():
    yield os.environ["ANTHROPIC_BASE_URL"]
"""


@pytest.mark.parametrize(
    ("ini", "import_", "fixture", "mark", "plugins", "passed"),
    [
        (
            f"{_SCOPE}\nasyncio_mode = strict",
            "import pytest_asyncio",
            "@pytest_asyncio.fixture",
            ", pytest.mark.asyncio",
            ("asyncio",),
            3,
        ),
        (
            f"{_SCOPE}\nasyncio_mode = auto",
            "",
            "@pytest.fixture",
            "",
            ("asyncio",),
            3,
        ),
        (
            f"{_SCOPE}\nasyncio_mode = auto",
            "",
            "@pytest.fixture",
            "",
            ("asyncio", "aiohttp"),
            3,
        ),
        (
            "",
            "",
            "@pytest.fixture",
            ", pytest.mark.anyio",
            ("anyio",),
            5,
        ),
    ],
    ids=["asyncio strict", "asyncio auto", "aiohttp", "anyio with asyncio and trio"],
)
def test_async_tests_are_served_by_whatever_runs_them(
    project: Project,
    ini: str,
    import_: str,
    fixture: str,
    mark: str,
    plugins: tuple[str, ...],
    passed: int,
) -> None:
    project.ini(f"filterwarnings = error\n{ini}")
    project.write(
        conftest=_FIXTURE.format(import_=import_, fixture=fixture),
        test_async=_ASYNC.format(
            anyio="anyio.to_thread",
            mark=mark,
            call='anyio.to_thread.run_sync(ask, "hello")',
        ),
        test_sync=HELLO,
    )
    for args in (("--streamtape-record",), ()):
        result = project.run(*args, needs=plugins)
        result.assert_outcomes(passed=passed)
        assert result.ret == 0
    assert len(project.folders()) == passed


def test_without_any_async_plugin_a_test_may_run_its_own_loop(
    project: Project,
) -> None:
    project.write(
        test_loop="""
            import asyncio
            import pytest
            from wire import ask

            @pytest.mark.streamtape
            def test_loop():
                answer = asyncio.run(asyncio.to_thread(ask, "hello"))
                assert "Re: hello" in answer[1]
        """
    )
    project.record()
    project.run().assert_outcomes(passed=1)


def test_the_network_can_be_blocked_but_for_loopback(project: Project) -> None:
    # It warns of what it blocks, and warnings are errors in the process of this test.
    project.ini("filterwarnings = default")
    project.write(
        test_blocked="""
            import socket
            import pytest
            import pytest_socket

            from wire import ask

            @pytest.mark.streamtape
            def test_here():
                assert ask("hello")[0] == 200

            def test_elsewhere():
                with pytest.raises(pytest_socket.SocketConnectBlockedError):
                    socket.create_connection(("192.0.2.1", 443), timeout=5)
        """
    )
    result = project.run(
        "--allow-hosts=127.0.0.1,localhost,::1",
        "--streamtape-record",
        needs=("socket",),
    )
    result.assert_outcomes(passed=2)
    result = project.run("--allow-hosts=127.0.0.1,localhost,::1", needs=("socket",))
    result.assert_outcomes(passed=2)
