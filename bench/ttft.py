"""
Time to first token: straight at the upstream and in replay, warm and at the start.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.library import Take, read_takes
from bench.measure import no_garbage_collection, percentile, scratch_folder
from bench.playback import Heard, hear
from bench.report import Report
from bench.streams import Stream, stream_offsets_ns
from bench.systems import find_port, running, starting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = {
    "ttft_p50_ms": "TTFT p50 ms",
    "ttft_p99_ms": "TTFT p99 ms",
    "event_p50_ms": "events p50 ms",
    "event_p99_ms": "events p99 ms",
    "event_max_ms": "events max ms",
    "start_ms": "start ms",
}
GOALS = {"ttft_p50_ms": 0.5, "ttft_p99_ms": 1.5}
"""Of a replay less straight at the upstream: at most."""
_FIRST_GOALS = {"event_p99_ms": 1.0}
"""Of a process's first stream less its tenth: at most."""

_EVENTS = 12
_DURATION_MS = 150
_SOONEST_NS = 10_000_000
_STREAMS = 16
_LIMIT_S = 30.0
_TENTH = 9

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    rounds: int
    processes: int


def measure_ttft(*, quick: bool) -> Report:
    """Ask for the same streams in turn at their source and at a replay of them."""
    sizes = _Sizes(rounds=3, processes=4) if quick else _Sizes(rounds=15, processes=20)
    streams = list(islice(_streams(), _STREAMS))
    failures: list[str] = []
    with scratch_folder() as folder:
        cassettes = folder / "cassettes"
        with running("control", ["bench.control", "1"], folder=folder) as control:
            _record(control.port, streams, folder, cassettes)
            takes = read_takes(cassettes)
            missing = {stream.number for stream in streams} - takes.keys()
            if missing:
                raise RuntimeError(f"streams {sorted(missing)} have no cassette")
            failures += [f"cassette {n}" for n, take in takes.items() if not take.exact]
            rows = _measure_warm(control.port, streams, folder, cassettes, sizes)
        rows |= _measure_first(streams, takes, folder, cassettes, sizes, failures)
    return Report(
        title=f"Time to first token, {sizes.rounds} rounds, {sizes.processes} starts",
        columns=COLUMNS,
        rows=rows,
        notes=[
            "One stream at a time, each on a new connection; TTFT: from sending the "
            "request to having the first event.",
            "less straight: |difference| of the same stream in the same round; its "
            "median with its sign is in the row below.",
            "of a process: what each event is late against its recorded offset. Start: "
            "from the process's start to the first accepted connection.",
        ],
        failures=failures,
    )


def _streams() -> Iterable[Stream]:
    """Yield streams whose first event takes a while, as that of a model does."""
    for number in count():
        stream = Stream(number=number, events=_EVENTS, duration_ms=_DURATION_MS)
        if stream_offsets_ns(stream)[0] >= _SOONEST_NS:
            yield stream


def _record(
    port: int, streams: Sequence[Stream], folder: Path, cassettes: Path
) -> None:
    command = ["streamtape", "record", "--port", "0"]
    command += ["--upstream", f"http://127.0.0.1:{port}"]
    command += ["--cassettes", str(cassettes)]
    with running("recorder", command, folder=folder) as recorder:
        for stream in streams:
            hear(recorder.port, stream)


def _measure_warm(
    port: int, streams: Sequence[Stream], folder: Path, cassettes: Path, sizes: _Sizes
) -> dict[str, Figures]:
    straight: list[float] = []
    replayed: list[float] = []
    command = ["streamtape", "replay", "--port", "0", "--cassettes", str(cassettes)]
    with running("replay", command, folder=folder) as replay, no_garbage_collection():
        for stream in streams[:_TENTH]:
            hear(replay.port, stream)
        for turn in range(sizes.rounds):
            for stream in streams:
                pair = ((port, straight), (replay.port, replayed))
                for where, found in pair[:: 1 if turn % 2 else -1]:
                    found.append(hear(where, stream).arrivals_ns[0] / 1e6)
    differences = [
        ours - theirs for ours, theirs in zip(replayed, straight, strict=True)
    ]
    return {
        "straight at the upstream": _ttft(straight),
        "replay, warm": _ttft(replayed),
        "replay less straight": _ttft([abs(each) for each in differences]),
        "with its sign": {"ttft_p50_ms": median(differences)},
        "goal": GOALS,
    }


def _measure_first(
    streams: Sequence[Stream],
    takes: dict[int, Take],
    folder: Path,
    cassettes: Path,
    sizes: _Sizes,
    failures: list[str],
) -> dict[str, Figures]:
    late: dict[int, list[list[float]]] = {0: [], _TENTH: []}
    starts_ms: list[float] = []
    for _ in range(sizes.processes):
        port = find_port()
        command = ["streamtape", "replay", "--cassettes", str(cassettes)]
        command += ["--port", str(port)]
        begun_ns = time.monotonic_ns()
        with (
            starting("first", command, folder=folder),
            no_garbage_collection(),
            closing(_connect_at_once(port)) as connection,
        ):
            starts_ms.append((time.monotonic_ns() - begun_ns) / 1e6)
            for turn, stream in enumerate(streams[: _TENTH + 1]):
                heard = hear(port, stream, connection if turn == 0 else None)
                if not heard.exact:
                    failures.append(f"body {turn + 1} of a new process")
                if turn in late:
                    late[turn].append(_late_ms(heard, takes[stream.number]))
    first, tenth = (_lateness(late[turn]) for turn in (0, _TENTH))
    return {
        "first of a process": first | {"start_ms": median(starts_ms)},
        "tenth of a process": tenth,
        "first less tenth": {name: first[name] - tenth[name] for name in first},
        "goal of the first": _FIRST_GOALS,
    }


def _connect_at_once(port: int) -> socket.socket:
    """Connect as soon as somebody accepts."""
    give_up = time.monotonic() + _LIMIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.0005)


def _late_ms(heard: Heard, take: Take) -> list[float]:
    pairs = zip(heard.arrivals_ns, take.offsets_ns, strict=True)
    return [(arrival_ns - offset_ns) / 1e6 for arrival_ns, offset_ns in pairs]


def _ttft(found_ms: Sequence[float]) -> Figures:
    return {
        "ttft_p50_ms": median(found_ms),
        "ttft_p99_ms": percentile(found_ms, 99),
    }


def _lateness(streams: Sequence[Sequence[float]]) -> Figures:
    events = [abs(each) for stream in streams for each in stream]
    return _ttft([abs(stream[0]) for stream in streams]) | {
        "event_p50_ms": median(events),
        "event_p99_ms": percentile(events, 99),
        "event_max_ms": max(events),
    }
