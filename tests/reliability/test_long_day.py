"""A stream that lasts a day: recorded and replayed on a clock that a test moves."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import body as asked_body
from e2e.processes import Program
from e2e.wire import Ending, ask
from proofs import Trials
from streamtape.core.model import Part
from streamtape.core.pacing import Pacing
from streamtape.library.reader import CassetteReader
from streamtape.server.replay import Player
from streamtape.testing import FakeClock, FakeUpstream, Profile, api_event, stream_reply
from streamtape.testing import text as said
from taping import MS, write_tape

HOUR_MS: Final = 3_600_000
SLEPT_MS: Final = 8 * HOUR_MS
"""How long the machine slept in the middle of the day."""

_STEPPING_CLOCK: Final = """
import itertools, time
from streamtape.server import clock

steps = itertools.cycle([3600, -3600, 0, -7200, 7200])

def wall_ns():
    return time.time_ns() + next(steps) * 10**9

def wall_time():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_ns() / 10**9))

clock.wall_ns, clock.wall_time = wall_ns, wall_time
from streamtape.cli import main
main()
"""
"""The program on a machine whose wall clock jumps by hours at every look."""


def day_offsets_ms() -> Iterator[int]:
    """Give times of events over 24 hours, with a sleep in the middle."""
    dice = random.Random(24)
    at_ms = 320
    while at_ms < 24 * HOUR_MS:
        yield at_ms
        was_ms = at_ms
        at_ms += dice.choice([0, 1, 17, 30_000, dice.randrange(60_000)])
        if was_ms < 12 * HOUR_MS <= at_ms:
            at_ms += SLEPT_MS


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chunks = [(at_ms, api_event({"type": "ping"})) for at_ms in day_offsets_ms()]
    return write_tape(tmp_path_factory.mktemp("day"), chunks)


async def replay_times(path: Path, pacing: Pacing) -> list[tuple[int, int]]:
    """
    Replay on the fake clock: the recorded offset of each part, and when it went out.
    """
    clock = FakeClock(now_ns=10**15)
    offsets_ns: list[int] = []
    sent_ns: list[int] = []

    def parts(reader: CassetteReader) -> Iterator[Part]:
        for part in reader.parts():
            offsets_ns.append(part.offset_ns)
            yield part

    def write(data: bytes) -> None:
        now_ns = clock.now_ns() - 10**15
        sent_ns.extend([now_ns] * data.count(b"\n\n"))

    async def drain() -> None:
        pass

    with CassetteReader(path) as reader:
        player = Player(
            parts(reader),
            clock=clock,
            due_ns=pacing.start(),
            start_ns=10**15,
            write=write,
            has_room=lambda: True,
        )
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(player.play(drain))
            while not playing.done():
                await asyncio.sleep(0)
                clock.run()
    return list(zip(offsets_ns, sent_ns, strict=True))


@pytest.mark.case(16)
def test_a_day_and_a_sleep_in_it_are_recorded_as_they_were(day: Path) -> None:
    expected_ns = [at_ms * MS for at_ms in day_offsets_ms()]

    offsets_ns = [part.offset_ns for part in streamtape.open(day).parts]

    assert offsets_ns == expected_ns
    assert max(b - a for a, b in pairwise(offsets_ns)) >= SLEPT_MS * MS


@pytest.mark.case(16)
@pytest.mark.parametrize("speed", ["0.1", "1", "3", "7.5", "1000"])
async def test_every_event_of_a_day_is_due_to_the_nanosecond(
    day: Path, trials: Trials, speed: str
) -> None:
    times = await replay_times(day, Pacing(speed=float(speed)))

    trials.ran = len(times)
    trials.wrong = sum(
        abs(sent_ns - Fraction(offset_ns) / Fraction(speed)) > 1
        for offset_ns, sent_ns in times
    )
    assert trials.wrong == 0
    assert len(times) == len(list(day_offsets_ms()))


@pytest.mark.case(16)
async def test_a_sleep_is_cut_where_the_longest_gap_is_given(day: Path) -> None:
    longest_ns = 60_000 * MS

    times = await replay_times(day, Pacing(max_gap_ns=longest_ns))

    gaps_ns = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(times)]
    assert max(gap_ns for gap_ns, _ in gaps_ns) >= SLEPT_MS * MS
    assert all(due_ns == min(gap_ns, longest_ns) for gap_ns, due_ns in gaps_ns)


@pytest.mark.case(15)
def test_a_wall_clock_that_jumps_changes_no_time_of_an_event(tmp_path: Path) -> None:
    profile = Profile(ttft_ns=20 * MS, gap_ns=2 * MS, pause_ns=0)
    reply = stream_reply(said("Step by step. " * 8), profile=profile)
    where: tuple[str | Path, ...] = ("--cassettes", tmp_path, "--port", "0")
    program = (sys.executable, "-c", _STEPPING_CLOCK)
    with FakeUpstream([reply]) as upstream:
        arguments = ("record", "--upstream", upstream.url, *where)
        with Program(*arguments, program=program) as recorder:
            recorded = ask(recorder.base_url, body=asked_body("hello"))
            again = ask(recorder.base_url, body=asked_body("another"))
            assert recorder.stop().status == 0
    where = (*where, "--speed", "instant")
    with Program("replay", *where, program=program) as replay:
        replayed = [ask(replay.base_url, body=asked_body("hello")) for _ in range(3)]
        assert replay.stop().status == 0

    assert {(each.body, each.ending) for each in (recorded, again, *replayed)} == {
        (reply.body, Ending.WHOLE)
    }
    sent_ns = reply.writes[-1].offset_ns
    for path in tmp_path.glob("*.tape"):
        cassette = streamtape.open(path)
        offsets_ns = [part.offset_ns for part in cassette.parts]
        assert offsets_ns == sorted(offsets_ns)
        assert offsets_ns[0] >= reply.writes[0].offset_ns
        # An hour is far from what any machine is late by.
        assert sent_ns <= cassette.ending.offset_ns < sent_ns + HOUR_MS * MS
