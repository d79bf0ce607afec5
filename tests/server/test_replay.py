"""A player on a clock that stands still until it is moved: due times by equality."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest

from streamtape.core.model import Part
from streamtape.core.pacing import INSTANT, Pacing
from streamtape.errors import DamagedCassetteError
from streamtape.server.replay import Player
from streamtape.testing import FakeClock

MS = 1_000_000

PARTS = [
    Part(400 * MS, b"a"),
    Part(420 * MS, b"b"),
    Part(420 * MS, b"c"),
    Part(5420 * MS, b"d"),
]


class Client:
    """
    Takes what is written down, and may be slow.

    Args:
        room: How many bytes it takes until it has to be waited for.
        pause_ns: How long it then takes.
    """

    def __init__(self, clock: FakeClock, *, room: int = 1 << 30, pause_ns: int = 0):
        self.transcript: list[tuple[int, bytes]] = []
        """When each write came, in ms, and what it was."""
        self._clock = clock
        self._room = self._left = room
        self._pause_ns = pause_ns

    def write(self, data: bytes) -> None:
        self.transcript.append((self._clock.now_ns() // MS, data))
        self._left -= len(data)

    def has_room(self) -> bool:
        return self._left > 0

    async def drain(self) -> None:
        if not self.has_room():
            self._clock.advance_to_ns(self._clock.now_ns() + self._pause_ns)
            self._left = self._room


async def play(
    parts: Iterable[Part],
    clock: FakeClock,
    client: Client,
    *,
    pacing: Pacing | None = None,
    start_ns: int = 0,
) -> None:
    player = Player(
        iter(parts),
        clock=clock,
        due_ns=(pacing or Pacing()).start(),
        start_ns=start_ns,
        write=client.write,
        has_room=client.has_room,
    )
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(player.play(client.drain))
        while not playing.done():
            await asyncio.sleep(0)
            clock.run()


@pytest.mark.parametrize(
    ("pacing", "expected"),
    [
        pytest.param(
            Pacing(), [(400, b"a"), (420, b"bc"), (5420, b"d")], id="as-recorded"
        ),
        pytest.param(
            Pacing(speed=10), [(40, b"a"), (42, b"bc"), (542, b"d")], id="ten-times"
        ),
        pytest.param(
            Pacing(speed=0.5), [(800, b"a"), (840, b"bc"), (10840, b"d")], id="half"
        ),
        pytest.param(Pacing(speed=INSTANT), [(0, b"abcd")], id="instant"),
        pytest.param(
            Pacing(max_gap_ns=100 * MS),
            [(100, b"a"), (120, b"bc"), (220, b"d")],
            id="long-gaps-cut",
        ),
        pytest.param(
            Pacing(speed=2, max_gap_ns=100 * MS),
            [(50, b"a"), (60, b"bc"), (110, b"d")],
            id="cut-and-twice-as-fast",
        ),
    ],
)
async def test_every_part_goes_out_when_it_is_due(
    pacing: Pacing, expected: list[tuple[int, bytes]]
) -> None:
    clock = FakeClock()
    client = Client(clock)

    await play(PARTS, clock, client, pacing=pacing)

    assert client.transcript == expected


async def test_due_times_count_from_the_start_of_the_replay() -> None:
    clock = FakeClock(1_000 * MS)
    client = Client(clock)

    await play(PARTS, clock, client, start_ns=900 * MS)

    assert client.transcript == [(1300, b"a"), (1320, b"bc"), (6320, b"d")]


async def test_late_parts_go_out_together_and_at_once() -> None:
    """The replay began half a second before it could be played."""
    clock = FakeClock(500 * MS)
    client = Client(clock)

    await play(PARTS, clock, client)

    assert client.transcript == [(500, b"abc"), (5420, b"d")]


async def test_a_slow_client_is_waited_for_and_then_gets_what_is_late() -> None:
    """The others are late by what it took and no more: nothing adds up."""
    clock = FakeClock()
    client = Client(clock, room=2, pause_ns=50 * MS)
    parts = [Part(number * 20 * MS, b"%d" % number) for number in range(8)]

    await play(parts, clock, client)

    assert client.transcript == [
        (0, b"0"),
        (20, b"1"),
        (70, b"23"),
        (120, b"456"),
        (170, b"7"),
    ]


async def test_much_at_once_goes_out_in_several_writes() -> None:
    clock = FakeClock()
    client = Client(clock)
    parts = [Part(10 * MS, b"x" * 40_000)] * 5

    await play(parts, clock, client)

    sizes = [(at_ms, len(data)) for at_ms, data in client.transcript]
    assert sizes == [(10, 80_000), (10, 80_000), (10, 40_000)]


async def test_much_at_once_waits_for_a_slow_client_in_between() -> None:
    clock = FakeClock()
    client = Client(clock, room=1, pause_ns=30 * MS)
    parts = [Part(10 * MS, b"x" * 80_000)] * 3

    await play(parts, clock, client)

    assert [at_ms for at_ms, _ in client.transcript] == [10, 40, 70]


async def test_no_parts_are_played_at_once() -> None:
    clock = FakeClock()
    client = Client(clock)

    await play([], clock, client)

    assert (client.transcript, clock.now_ns()) == ([], 0)


def damaged(parts: Iterable[Part]) -> Iterator[Part]:
    yield from parts
    raise DamagedCassetteError("a checksum is wrong", offset=7)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_damage_is_told_when_all_before_it_was_sent(count: int) -> None:
    clock = FakeClock()
    client = Client(clock)

    with pytest.RaisesGroup(DamagedCassetteError):
        await play(damaged(PARTS[:count]), clock, client)

    sent = b"".join(data for _, data in client.transcript)
    assert sent == b"abc"[:count]


def unreadable(parts: Iterable[Part]) -> Iterator[Part]:
    yield from parts
    raise OSError("the disk is gone")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_whatever_reading_raises_ends_the_replay(count: int) -> None:
    """A timer that raises has nobody to tell; the client would wait for ever."""
    clock = FakeClock()
    client = Client(clock)

    with pytest.RaisesGroup(OSError):
        await play(unreadable(PARTS[:count]), clock, client)

    assert b"".join(data for _, data in client.transcript) == b"abc"[:count]


class Broken(Client):
    """A client that can't be written to from a time on."""

    def write(self, data: bytes) -> None:
        if self.transcript:
            raise ValueError("a defect")
        super().write(data)


async def test_whatever_writing_raises_ends_the_replay() -> None:
    clock = FakeClock()
    client = Broken(clock)

    with pytest.RaisesGroup(ValueError):
        await play(PARTS, clock, client)

    assert client.transcript == [(400, b"a")]


async def test_a_client_that_leaves_stops_the_clock() -> None:
    """Nothing is written, and no timer is left, behind a cancelled replay."""
    clock = FakeClock()
    client = Client(clock)
    player = Player(
        iter(PARTS),
        clock=clock,
        due_ns=Pacing().start(),
        start_ns=0,
        write=client.write,
        has_room=client.has_room,
    )
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(player.play(client.drain))
        await asyncio.sleep(0)
        clock.advance_to_ns(400 * MS)
        playing.cancel()

    clock.run()

    assert client.transcript == [(400, b"a")]
    assert clock.now_ns() == 400 * MS
