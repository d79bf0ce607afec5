"""Clocks that step, and a machine that sleeps: times are those of the streams."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.listening import body
from e2e.processes import Program
from e2e.wire import Ending, ask
from streamtape import open as read_cassette
from streamtape.core.matching.key import request_key
from streamtape.core.pacing import Pacing
from streamtape.library import Library
from streamtape.server.clock import wall_ns
from streamtape.testing import FakeUpstream, Profile, stream_reply, text
from taping import ASKED, MS, hello, write_tape

HOUR_NS = 3600 * 10**9

STEPPING = """
import itertools, sys, time

steps = itertools.cycle([0, 3600, 0, -3600, 86400])
real = time.time
time.time = lambda: real() + next(steps)
time.time_ns = lambda: int(time.time() * 1e9)

from streamtape.cli import main

main(sys.argv[1:])
"""
"""The program, on a machine whose wall clock steps each time when it is read."""

REPLY = stream_reply(
    text("It was a long night at the harbour."),
    profile=Profile(ttft_ns=10 * MS, gap_ns=5 * MS, pause_ns=0),
)


@pytest.mark.case(15)
def test_a_wall_clock_that_steps_moves_no_event_and_hides_no_cassette(
    tmp_path: Path,
) -> None:
    program = (sys.executable, "-c", STEPPING)
    where = ("--cassettes", tmp_path, "--port", "0")
    # A zone in which the clocks are put back once a year.
    env = {"TZ": "Europe/Berlin"}
    with (
        FakeUpstream([REPLY]) as upstream,
        Program(
            *("record", "--upstream", upstream.url, *where), program=program, env=env
        ) as recorder,
    ):
        ask(recorder.base_url, body=body("hello"))
        assert recorder.stop().status == 0
    [path] = tmp_path.iterdir()
    cassette = read_cassette(path)
    offsets_ns = [event.offset_ns for event in cassette.events]

    assert offsets_ns == sorted(offsets_ns)
    assert 10 * MS <= offsets_ns[0] < offsets_ns[-1] < HOUR_NS
    assert cassette.ending.offset_ns < HOUR_NS
    assert cassette.recorded_at is not None
    assert cassette.recorded_at.endswith("Z")
    with Program("replay", *where, program=program, env=env) as replay:
        answers = [ask(replay.base_url, body=body("hello")) for _ in range(3)]
        assert replay.stop().status == 0
    assert {(each.body, each.ending) for each in answers} == {
        (REPLY.body, Ending.WHOLE)
    }


@pytest.mark.case(15)
@pytest.mark.parametrize(
    "steps_ns",
    [[0, HOUR_NS], [0, -HOUR_NS], [HOUR_NS, 0], [-HOUR_NS, 0]],
    ids=["forward", "back", "forward-then-right", "back-then-right"],
)
def test_a_library_sees_its_changes_whatever_the_wall_clock_says(
    steps_ns: list[int], tmp_path: Path
) -> None:
    steps: Iterator[int] = itertools.cycle(steps_ns)
    library = Library(tmp_path, wall_ns=lambda: wall_ns() + next(steps))
    path = write_tape(tmp_path, hello("one"))
    other = write_tape(tmp_path / "elsewhere", hello("another"))
    library.refresh()
    key = request_key(ASKED)

    assert library.takes(key)[0] == path
    shutil.copy(other, path)
    os.utime(path, ns=(wall_ns() + HOUR_NS,) * 2)

    assert path in library.takes(key)
    path.unlink()
    assert library.takes(key) == [other]


@pytest.mark.case(16)
def test_a_gap_of_a_sleeping_machine_is_kept_and_cut_only_in_a_replay(
    tmp_path: Path,
) -> None:
    path = write_tape(
        tmp_path,
        [(300, b"data: 1\n\n"), (300 + 8 * 3_600_000, b"data: 2\n\n")],
    )
    offsets_ns = [event.offset_ns for event in read_cassette(path).events]

    assert offsets_ns == [300 * MS, 300 * MS + 8 * HOUR_NS]
    assert [*map(Pacing().start(), offsets_ns)] == offsets_ns
    capped = Pacing(max_gap_ns=1000 * MS)
    assert [*map(capped.start(), offsets_ns)] == [300 * MS, 1300 * MS]
