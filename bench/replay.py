"""How true a replay is to its recording, and the recording to the upstream."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.fidelity import (
    INSTANT,
    LONG,
    Case,
    CaseRuns,
    Figures,
    Offsets,
    errors_ms,
    spread_s,
)
from bench.library import read_takes
from bench.measure import scratch_folder
from bench.playback import listen
from bench.report import Report
from bench.streams import Stream, stream_offsets_ns
from bench.systems import System, running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
from statistics import median

COLUMNS = {
    "p50_ms": "|error| p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "drift_ms": "drift ms",
    "cpu_us": "CPU µs/event",
    "events_s": "events/s",
    "exact_percent": "bodies exact %",
}
GOALS = {"p99_ms": 1.0, "drift_ms": 1.0, "exact_percent": 100.0}
"""Of 1x: at most, but for exact bodies."""

_EVENTS = 60
_TAKES = 8

_CASES = (
    Case(speed=1, clients=1),
    Case(speed=1, clients=50),
    Case(speed=1, clients=200),
    Case(speed=10, clients=50),
    Case(speed=INSTANT, clients=50),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    rounds: int
    duration_ms: int


_FULL = _Sizes(rounds=5, duration_ms=3000)
_QUICK = _Sizes(rounds=1, duration_ms=2000)


def measure_replay(*, quick: bool) -> Report:
    """
    Record streams of a schedule, then replay them beside the schedule's own source.
    """
    sizes = _QUICK if quick else _FULL
    streams = [
        Stream(number=number, events=_EVENTS, duration_ms=sizes.duration_ms)
        for number in range(_TAKES)
    ]
    schedule = {stream.number: stream_offsets_ns(stream) for stream in streams}
    with scratch_folder() as folder:
        cassettes = folder / "cassettes"
        _record(streams, folder, cassettes)
        takes = read_takes(cassettes)
        missing = schedule.keys() - takes.keys()
        if missing:
            raise RuntimeError(f"streams {sorted(missing)} have no cassette")
        failures = [f"cassette of stream {n}" for n, t in takes.items() if not t.exact]
        recorded = {number: takes[number].offsets_ns for number in schedule}
        rows = _recording_rows(schedule, recorded)
        for case in _CASES:
            with ExitStack() as stack:
                control, streamtape = (
                    CaseRuns(system, case, streams, expected)
                    for system, expected in zip(
                        _start(stack, case, folder, cassettes),
                        (schedule, recorded),
                        strict=True,
                    )
                )
                for turn in range(sizes.rounds):
                    pair = (control, streamtape)
                    for run in pair[:: 1 if turn % 2 else -1]:
                        run.measure()
            rows[f"{case}: control"] = control.figures()
            rows[f"{case}: streamtape"] = streamtape.figures()
            rows[f"{case}: beyond control"] = streamtape.beyond(control)
            failures += control.failures + streamtape.failures
    rows["goal at 1x"] = GOALS
    return Report(
        title=f"Replay; medians of {sizes.rounds} rounds",
        columns=COLUMNS,
        rows=rows,
        notes=[
            "recording: recorded offsets against the upstream's schedule; jitter: less "
            "each stream's median.",
            "control: the upstream itself, to the same clients, against its schedule.",
            "beyond control: differences within a round. Drift: signed, last event.",
        ],
        failures=failures,
    )


def _record(streams: Sequence[Stream], folder: Path, cassettes: Path) -> None:
    with running("control", ["bench.control", "1"], folder=folder) as upstream:
        command = ["streamtape", "record", "--port", "0"]
        command += ["--upstream", f"http://127.0.0.1:{upstream.port}"]
        command += ["--cassettes", str(cassettes)]
        with running("streamtape", command, folder=folder) as system:
            listen(system.port, [LONG], spread_s=0)
            listen(system.port, streams, spread_s=spread_s(streams[0]))


def _start(
    stack: ExitStack, case: Case, folder: Path, cassettes: Path
) -> tuple[System, System]:
    replay = ["streamtape", "replay", "--cassettes", str(cassettes), "--port", "0"]
    commands = {
        "control": ["bench.control", case.word],
        "streamtape": [*replay, "--speed", case.word],
    }
    control, streamtape = (
        stack.enter_context(running(name, command, folder=folder))
        for name, command in commands.items()
    )
    return control, streamtape


def _recording_rows(schedule: Offsets, recorded: Offsets) -> dict[str, Figures]:
    errors = [
        [was - due for was, due in zip(recorded[number], offsets, strict=True)]
        for number, offsets in schedule.items()
    ]
    jitter = [[error - median(stream) for error in stream] for stream in errors]
    return {
        "recording": errors_ms(errors),
        "recording: jitter": errors_ms(jitter),
    }
