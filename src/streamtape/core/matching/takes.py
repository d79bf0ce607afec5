"""
Which take answers a request that was recorded more than once.
"""

from __future__ import annotations

from enum import StrEnum


class Exhausted(StrEnum):
    """
    What follows when all takes of a request were used.
    """

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
                ones take their turn behind the others. At 0 there is none left.
        """
        index = self._next.get(key, 0)
        if index >= count:
            if count == 0 or self._exhausted is Exhausted.ERROR:
                return None
            index = 0 if self._exhausted is Exhausted.CYCLE else count - 1
        self._next[key] = index + 1
        return index

    def give_back(self, key: str) -> None:
        """
        Take back the last use of a key, whose take turned out not to be there.
        """
        self._next[key] = max(0, self._next.get(key, 0) - 1)

    def reset(self) -> None:
        """
        Begin again with the first take of every key.
        """
        self._next.clear()
