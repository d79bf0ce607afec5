"""
When a stream's bytes go out, and in which writes.

The times are what streams of the API look like from a client: a first token after
some hundred milliseconds, irregular gaps with a long one now and then, several
events in one write, an event in two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from streamtape.testing.seeds import Dice

_MS: Final = 1_000_000
_MOST_JOINED: Final = 4


class Write(NamedTuple):
    """Bytes that go out in one write, and when."""

    offset_ns: int
    """Since the request had arrived whole."""
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    The timing of a stream; the same profile and events always give the same writes.
    """

    ttft_ns: int = 300 * _MS
    """Time of the first event."""
    gap_ns: int = 30 * _MS
    """Mean of the gaps, which lie between 0 and three times that, pauses aside."""
    pause_ns: int = 300 * _MS
    """Longest pause that is added to one gap in sixteen; 0 for none."""
    joins: float = 0.2
    """Share of the events that go out in one write with the event before."""
    splits: bool = True
    """
    Whether one event goes out in two writes, inside a character that takes more
    than one byte if there is one, but never the first event.
    """
    seed: int = 0

    def writes(self, events: Sequence[bytes]) -> tuple[Write, ...]:
        """Lay events out over time; joined again, the writes are the events."""
        dice = Dice("profile", self.seed)
        groups = list(self._grouped(list(self._split(events, dice)), dice))
        return tuple(map(Write, self._offsets_ns(len(groups), dice), groups))

    def _split(
        self, events: Sequence[bytes], dice: Dice
    ) -> Iterator[tuple[bytes, bool]]:
        """Give the pieces, and of each whether it may join the piece before it."""
        split = self._place_of_split(events, dice) if self.splits else None
        for number, event in enumerate(events):
            if split is not None and number == split[0]:
                yield event[: split[1]], True
                yield event[split[1] :], False
            else:
                yield event, number > 0

    @staticmethod
    def _place_of_split(events: Sequence[bytes], dice: Dice) -> tuple[int, int] | None:
        """Return the number of the event to split and the size of its first part."""
        inside = [
            (number, place)
            for number, event in enumerate(events[1:], start=1)
            for place, octet in enumerate(event)
            if octet & 0b1100_0000 == 0b1000_0000  # Any byte but a character's first.
        ]
        if inside:
            return inside[dice.below(len(inside))]
        long = [
            number for number, event in enumerate(events[1:], start=1) if len(event) > 1
        ]
        if not long:
            return None
        number = long[dice.below(len(long))]
        return number, 1 + dice.below(len(events[number]) - 1)

    def _grouped(
        self, pieces: Sequence[tuple[bytes, bool]], dice: Dice
    ) -> Iterator[bytes]:
        group: list[bytes] = []
        for piece, may_join in pieces:
            joins = may_join and len(group) < _MOST_JOINED
            if group and not (joins and dice.fraction() < self.joins):
                yield b"".join(group)
                group = []
            group.append(piece)
        if group:
            yield b"".join(group)

    def _offsets_ns(self, count: int, dice: Dice) -> Iterator[int]:
        offset_ns = self.ttft_ns
        for _ in range(count):
            yield offset_ns
            # The mean of three times a square of 0 to 1 is 1.
            gap_ns = int(self.gap_ns * 3 * dice.fraction() ** 2)
            pause_ns = int(self.pause_ns * dice.fraction())
            offset_ns += gap_ns + (pause_ns if dice.below(16) == 0 else 0)


TYPICAL: Final = Profile()
"""What a person sees of a model at work."""

INSTANT: Final = Profile(ttft_ns=0, gap_ns=0, pause_ns=0, joins=0, splits=False)
"""All at once, one write per event: for tests that aren't about time."""
