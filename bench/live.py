"""What a live stream costs: direct, through a bare relay, through a recording proxy."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from bench.library import read_takes
from bench.lockstep import Lockstep, Outcome
from bench.measure import percentile, scratch_folder, settled_cpu_ns
from bench.report import Report
from bench.streams import Stream
from bench.systems import System, running
from bench.wire import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS = {
    "first_us": "first event µs",
    "added_p50_us": "1 stream: added p50 µs",
    "added_p99_us": "added p99 µs",
    "cpu_1_us": "CPU µs/event",
    "events_s": "100 streams: events/s",
    "cpu_100_us": "CPU µs/event",
    "cpu_request_us": "CPU µs/request",
}
GOALS = {
    "added_p50_us": 1.1,
    "cpu_1_us": 1.1,
    "events_s": 0.9,
    "cpu_100_us": 1.1,
    "cpu_request_us": 1.3,
}
"""Ratios to the relay: at most, but for events/s, where at least."""

_CLIENTS = 100
_REQUEST_CLIENTS = 10
_SHORTEST = 6
Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    rounds: int
    lone_streams: int
    events: int
    requests: int
    """Per client, of the clients that measure the cost of a request."""


_FULL = _Sizes(rounds=11, lone_streams=4, events=500, requests=20)
_QUICK = _Sizes(rounds=3, lone_streams=2, events=200, requests=10)


def measure_live(*, quick: bool) -> Report:
    """Run all systems in alternating rounds, after one round that isn't counted."""
    sizes = _QUICK if quick else _FULL
    upstream = Lockstep()
    numbers = count()
    rounds: list[dict[str, Figures]] = []
    with scratch_folder() as folder:
        cassettes = folder / "cassettes"
        with ExitStack() as stack:
            systems = _start(stack, upstream.port, folder, cassettes)
            runs = {s.name: _Runs(s, upstream, sizes, numbers) for s in systems}
            for turn in range(sizes.rounds + 1):
                order = list(runs.values())[:: 1 if turn % 2 else -1]
                rounds.append({run.system.name: run.measure() for run in order})
        failures = [failure for run in runs.values() for failure in run.failures]
        failures += _check_cassettes(cassettes, runs["streamtape"].served)
    return _report([_less_direct(figures) for figures in rounds[1:]], failures)


def _start(
    stack: ExitStack, upstream_port: int, folder: Path, cassettes: Path
) -> list[System]:
    url = f"http://127.0.0.1:{upstream_port}"
    record = ["streamtape", "record", "--upstream", url, "--port", "0"]
    commands = {
        "relay": ["bench.relay", url],
        "streamtape": [*record, "--cassettes", str(cassettes)],
    }
    return [
        System(name="direct", port=upstream_port, pid=None),
        *(
            stack.enter_context(running(name, command, folder=folder))
            for name, command in commands.items()
        ),
    ]


class _Runs:
    """Everything that one system is put through in one round, again and again."""

    def __init__(
        self, system: System, upstream: Lockstep, sizes: _Sizes, numbers: Iterator[int]
    ) -> None:
        self.system = system
        self.served: set[int] = set()
        """Numbers of the streams that went through."""
        self.failures: list[str] = []
        self._upstream = upstream
        self._sizes = sizes
        self._numbers = numbers

    def measure(self) -> Figures:
        """One stream at a time, many at once, and many requests of little body."""
        sizes = self._sizes
        lone, lone_us = self._run(1, sizes.lone_streams, sizes.events)
        many, many_us = self._run(_CLIENTS, 1, sizes.events)
        requests, requests_us = self._run(_REQUEST_CLIENTS, sizes.requests, None)
        figures = {
            "first_us": median(lone.first_ns) / 1000,
            "added_p50_us": percentile(lone.latencies_ns, 50) / 1000,
            "added_p99_us": percentile(lone.latencies_ns, 99) / 1000,
            "events_s": many.events / many.elapsed_ns * 1e9,
        }
        if self.system.pid is not None:
            figures["cpu_1_us"] = lone_us / lone.events
            figures["cpu_100_us"] = many_us / many.events
            figures["cpu_request_us"] = requests_us / requests.bodies
        return figures

    def _run(
        self, clients: int, streams: int, events: int | None
    ) -> tuple[Outcome, float]:
        plans = [[self._plan(events) for _ in range(streams)] for _ in range(clients)]
        pid = self.system.pid
        before_ns = 0 if pid is None else settled_cpu_ns(pid)
        outcome = self._upstream.run(self.system.port, plans)
        after_ns = 0 if pid is None else settled_cpu_ns(pid)
        if outcome.wrong:
            self.failures.append(f"{self.system.name}: {outcome.wrong} bodies differ")
        return outcome, (after_ns - before_ns) / 1000

    def _plan(self, events: int | None) -> Plan:
        stream = Stream(number=next(self._numbers), events=events or _SHORTEST)
        self.served.add(stream.number)
        return Plan.of(stream, at_once=events is None)


def _less_direct(figures: dict[str, Figures]) -> dict[str, Figures]:
    direct = figures["direct"]
    for name, row in figures.items():
        if name != "direct":
            row["added_p50_us"] -= direct["added_p50_us"]
            row["added_p99_us"] -= direct["added_p99_us"]
    return figures


def _check_cassettes(folder: Path, served: set[int]) -> list[str]:
    takes = read_takes(folder)
    missing = served - takes.keys()
    wrong = [number for number, take in takes.items() if not take.exact]
    failures = []
    if missing:
        failures.append(f"{len(missing)} of {len(served)} streams have no cassette")
    if wrong:
        failures.append(f"{len(wrong)} cassettes hold another body")
    return failures


def _report(rounds: Sequence[dict[str, Figures]], failures: list[str]) -> Report:
    rows: dict[str, Figures] = {
        name: {key: median(r[name][key] for r in rounds) for key in figures}
        for name, figures in rounds[0].items()
    }
    rows["streamtape / relay"] = {
        key: median(r["streamtape"][key] / r["relay"][key] for r in rounds)
        for key in GOALS
    }
    rows["goal"] = GOALS
    return Report(
        title=f"Live, lockstep, recording; medians of {len(rounds)} rounds",
        columns=COLUMNS,
        rows=rows,
        notes=[
            "direct: whole latencies; below it, what the system adds to them.",
            "Goals: at most this ratio of the same round, events/s at least.",
        ],
        failures=failures,
    )
