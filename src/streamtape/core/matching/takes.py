"""
Which take answers a request that was recorded more than once.

Failures that a client retried may be skipped; those that are played say how long to
wait in terms of the replay's speed.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamtape.core.model import Headers


class Exhausted(StrEnum):
    """What follows when all takes of a request were used."""

    ERROR = "error"
    """The request is a miss."""
    LAST = "last"
    """The last take answers from then on."""
    CYCLE = "cycle"
    """The takes answer again from the first."""


class Takes:
    """
    Gives out takes in the order in which they were recorded, key by key.

    Different keys don't affect each other, so requests may come in any order.
    """

    def __init__(self, exhausted: Exhausted) -> None:
        self._exhausted = exhausted
        self._next: dict[str, int] = {}

    def next(self, key: str, count: int) -> int | None:
        """
        Use up one take and return its index, or None if none is left.

        Args:
            count: How many takes the key has now. It may grow between calls: new
                ones take their turn after the others. At 0 there is none left.
        """
        index = self._next.get(key, 0)
        if index >= count:
            if count == 0 or self._exhausted is Exhausted.ERROR:
                return None
            index = 0 if self._exhausted is Exhausted.CYCLE else count - 1
        self._next[key] = index + 1
        return index

    def give_back(self, key: str) -> None:
        """Take back the last use of a key, whose take turned out not to be there."""
        self._next[key] = max(0, self._next.get(key, 0) - 1)

    def reset(self) -> None:
        """Begin again with the first take of every key."""
        self._next.clear()


_RETRIED: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500
NO_ANSWER: Final = 599
"""Stands for the status of a take that can't be played: a failure like others."""

_LONGEST_S: Final = 1e12
"""Whoever is told to wait for longer waits for ever."""
_SHORTEST_MS: Final = 1
"""Of nothing to wait for the SDKs make a wait of their own."""


def is_retried(status: int) -> bool:
    """Whether the SDKs ask again after an answer with this status."""
    return status in _RETRIED or status >= _SERVER_ERROR


def without_retries(statuses: Sequence[int]) -> list[int]:
    """
    Return the indexes of the takes that are left when failures are skipped.

    A failure that no later take made good is an answer, and is kept.

    Args:
        statuses: Of all takes of one request, in their order.
    """
    answers = [index for index, status in enumerate(statuses) if not is_retried(status)]
    end = answers[-1] + 1 if answers else 0
    return [*answers, *range(end, len(statuses))]


def scale_waits(headers: Headers, speed: float) -> Headers:
    """
    Return the headers of a response with the wait that they name as long as the
    pace makes it.

    Whole seconds are rounded up, and so may be longer than a fast pace asks for: the
    exact wait, in milliseconds, stands beside them for those who read that.

    Args:
        speed: As in :class:`streamtape.core.pacing.Pacing`.
    """
    waits_ms = {
        name.lower(): wait * (1000 if name.lower() == "retry-after" else 1)
        for name, value in headers
        if name.lower() in ("retry-after", "retry-after-ms")
        and (wait := _read_wait(value)) is not None
    }
    if speed == 1 or not waits_ms:
        # A wait until some day stays, too: that day is another one by now.
        return headers
    kept = [pair for pair in headers if pair[0].lower() not in waits_ms]
    exact_ms = waits_ms.get("retry-after-ms", waits_ms.get("retry-after", 0.0)) / speed
    scaled = [("retry-after-ms", str(max(_SHORTEST_MS, round(exact_ms))))]
    if "retry-after" in waits_ms:
        whole_s = math.ceil(waits_ms["retry-after"] / 1000 / speed)
        scaled.append(("retry-after", str(whole_s)))
    return (*kept, *scaled)


def _read_wait(value: str) -> float | None:
    """Return a number however it is written; the SDKs take all that are one."""
    try:
        wait = float(value)
    except ValueError:
        return None
    return min(wait, _LONGEST_S) if 0 <= wait < math.inf else None
