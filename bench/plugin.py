"""What the pytest plugin costs: each test, the first one, and a run without it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.measure import percentile, scratch_folder
from bench.report import Report
from bench.streams import Stream, stream_events
from bench.suite import TIMES, body_for, is_stream, write_suite
from bench.wire import HEAD, frames

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {
    "test_ms": "test ms",
    "test_p99_ms": "p99 ms",
    "stream_ms": "stream ms",
    "plain_ms": "no stream ms",
    "first_ms": "first test's extra ms",
    "run_s": "run s",
    "start_ms": "start ms",
    "start_cpu_ms": "start CPU ms",
}

_GOALS = {"test_ms": 5.0, "start_ms": 20.0}
_ROOT = Path(__file__).parents[1]
_IMPORTED = re.compile(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)")
_PLAIN_HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    tests: int
    rounds: int
    starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """One way to answer the tests of a suite."""

    name: str
    mark: str | None
    recording: str = ""
    """The option by which it records."""
    arguments: Sequence[str] = ()
    path: Path | None = None
    """Where Python finds it, if it is not installed."""


def measure_plugin(*, quick: bool) -> Report:
    """
    Compare suites of one request a test: nothing, our plugin and vcrpy, in rounds.
    """
    sizes = _Sizes(tests=500, rounds=5, starts=40)
    if quick:
        sizes = _Sizes(tests=100, rounds=3, starts=10)
    failures: list[str] = []
    with scratch_folder() as scratch, _bare_server() as url:
        systems = [
            _System(name="control", mark=None),
            _System(
                name="streamtape",
                mark="streamtape",
                recording="--streamtape-mode=all",
                arguments=("-p", "streamtape"),
            ),
        ]
        vcr = _install_vcr(scratch / "vcr-packages")
        if vcr is not None:
            systems.append(
                _System(
                    name="vcrpy",
                    mark="vcr",
                    recording="--record-mode=all",
                    arguments=("-p", "recording"),
                    path=vcr,
                )
            )
        rows = _measure_tests(systems, sizes, scratch, url, failures)
        rows |= _measure_starts(sizes, scratch, url)
    rows["goal, beyond control"] = _GOALS
    notes = [
        "Tests: from the start of a test's setup to its last report, median of all.",
        "First test's extra: what the first one takes longer than that median.",
        _imports_note(),
    ]
    if vcr is None:
        notes.append("vcrpy could not be installed, so it is left out.")
    return Report(
        title=f"pytest plugin, {sizes.tests} tests of one request, 20 events each",
        columns=COLUMNS,
        rows=rows,
        notes=notes,
        failures=failures,
    )


def _measure_tests(
    systems: Sequence[_System],
    sizes: _Sizes,
    scratch: Path,
    url: str,
    failures: list[str],
) -> dict[str, Figures]:
    rows: dict[str, Figures] = {}
    for system in systems:
        ini = f"markers = {system.mark}: recorded" if system.mark else ""
        if system.name == "streamtape":
            ini = f"streamtape_upstream = {url}"
        folder = scratch / system.name
        write_suite(folder, tests=sizes.tests, mark=system.mark, ini=ini)
        if system.recording:
            figures = _run_suite(system, folder, sizes, url, failures, system.recording)
            rows[f"{system.name}, recording"] = figures
    rounds: list[dict[str, Figures]] = []
    for number in range(sizes.rounds):
        # Who goes first in a round changes, as the machine does within it.
        turn = number % len(systems)
        rounds.append(
            {
                system.name: _run_suite(
                    system, scratch / system.name, sizes, url, failures
                )
                for system in (*systems[turn:], *systems[:turn])
            }
        )
    for system in systems:
        rows[system.name] = _medians([each[system.name] for each in rounds])
    for system in systems[1:]:
        rows[f"{system.name}, beyond control"] = _medians(
            [_less(each[system.name], each["control"]) for each in rounds]
        )
    return rows


def _run_suite(
    system: _System,
    folder: Path,
    sizes: _Sizes,
    url: str,
    failures: list[str],
    *arguments: str,
) -> Figures:
    """Run a suite once, and note what was wrong with its run."""
    times_file = folder / "times.json"
    env = _environment(url, system.path) | {TIMES: str(times_file)}
    start = time.perf_counter_ns()
    ended = _pytest([*system.arguments, *arguments], folder, env)
    run_s = (time.perf_counter_ns() - start) / 1e9
    times_ms = [ns / 1e6 for ns in json.loads(times_file.read_text())]
    if ended.returncode != 0 or f"{sizes.tests} passed" not in ended.stdout:
        failures.append(f"{system.name} {' '.join(arguments)}: {ended.stdout[-2000:]}")
    # The first test of a file pays for what the file needs, the others don't.
    later = list(enumerate(times_ms))[1:]
    typical_ms = median(ms for _, ms in later)
    return {
        "test_ms": typical_ms,
        "test_p99_ms": percentile([ms for _, ms in later], 99),
        "stream_ms": median(ms for number, ms in later if is_stream(number)),
        "plain_ms": median(ms for number, ms in later if not is_stream(number)),
        "first_ms": times_ms[0] - typical_ms,
        "run_s": run_s,
    }


def _measure_starts(sizes: _Sizes, scratch: Path, url: str) -> dict[str, Figures]:
    """Run a test that asks nothing, with our plugin and with an empty one, in pairs."""
    folder = scratch / "start"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    # Finding a plugin costs the same whichever it is, so both runs have one.
    (folder / "empty_plugin.py").write_text("")
    env = _environment(url, folder)
    without: list[Figures] = []
    with_it: list[Figures] = []
    pairs = ((without, "empty_plugin"), (with_it, "streamtape"))
    for number in range(sizes.starts):
        for found, plugin in pairs[:: 1 if number % 2 else -1]:
            cpu_s = _children_cpu_s()
            start = time.perf_counter_ns()
            _pytest(["-p", plugin], folder, env)
            found.append(
                {
                    "start_ms": (time.perf_counter_ns() - start) / 1e6,
                    "start_cpu_ms": (_children_cpu_s() - cpu_s) * 1e3,
                }
            )
    beyond = [_less(*pair) for pair in zip(with_it, without, strict=True)]
    return {
        "start, with an empty plugin": _medians(without),
        "start, with ours, unused": _medians(with_it),
        "start, beyond": _medians(beyond),
    }


def _imports_note() -> str:
    """Say what a run imports only because of the plugin, the slowest first."""
    program = "import pytest, streamtape.pytest_plugin"
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    lines = [(int(m[1]), int(m[2]), m[4]) for m in _IMPORTED.finditer(told)]
    names = [name for _, _, name in lines]
    added = lines[names.index("pytest") + 1 :]
    slowest = sorted(added, reverse=True)[:4]
    listed = ", ".join(f"{name} {own_us / 1000:.1f}" for own_us, _, name in slowest)
    total_ms = sum(own_us for own_us, _, _ in added) / 1000
    return f"Importing the plugin: {total_ms:.1f} ms, of which {listed}."


def _install_vcr(folder: Path) -> Path | None:
    """Put vcrpy where only its own runs find it; returns None where that fails."""
    wanted = ("vcrpy", "pytest-recording")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
    ended = subprocess.run(
        [*command, str(folder), *wanted], capture_output=True, check=False
    )
    return folder if ended.returncode == 0 else None


def _environment(url: str, path: Path | None) -> dict[str, str]:
    """Return the environment of a run: no plugins but the one that is asked for."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not name.startswith(("STREAMTAPE_", "PYTEST_"))
    }
    return kept | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join(str(each) for each in (_ROOT, path) if each),
        "ANTHROPIC_BASE_URL": url,
    }


def _pytest(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def _children_cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _less(figures: Figures, control: Figures) -> Figures:
    return {name: figure - control[name] for name, figure in figures.items()}


def _medians(found: Sequence[Figures]) -> Figures:
    return {name: median(each[name] for each in found) for name in found[0]}


class _Bare(asyncio.Protocol):
    """
    Answers a suite by as little code as will do: the control, and what is recorded.
    """

    _request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._request += data
        stream = Stream.find(self._request)
        if stream is None:
            return
        self._request = b""
        if is_stream(stream.number):
            answer = HEAD + b"".join(frames(stream_events(stream)))
        else:
            body = body_for(stream.number)
            answer = (_PLAIN_HEAD % len(body)).encode() + body
        self._transport.write(answer)


@contextmanager
def _bare_server() -> Iterator[str]:
    """Serve the control in a thread, as this process only waits; yields its URL."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(_Bare, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
