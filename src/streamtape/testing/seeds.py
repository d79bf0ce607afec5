"""Chance that comes out the same in every run, and ids that look like the API's."""

from __future__ import annotations

import base64
from random import Random
from typing import Final

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Dice:
    """
    A sequence of choices that depends on the seed alone.

    Built on ``Random.random()``, the one method of which Python promises the same
    numbers from the same seed in later versions.

    Args:
        seed: Numbers and text; other parts give an unrelated sequence.
    """

    def __init__(self, *seed: int | str) -> None:
        self._random = Random(repr(seed))

    def fraction(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return self._random.random()

    def below(self, limit: int) -> int:
        """Return a number from 0 to *limit* - 1."""
        return int(self._random.random() * limit)

    def octets(self, count: int) -> bytes:
        """Return that many bytes."""
        return bytes(self.below(256) for _ in range(count))


def make_id(prefix: str, *seed: int | str) -> str:
    """Return an id in the API's form: ``msg_01`` and 22 letters and digits."""
    dice = Dice(prefix, *seed)
    return prefix + "".join(_BASE58[dice.below(len(_BASE58))] for _ in range(22))


def make_opaque(size: int, *seed: int | str) -> str:
    """Return base64 of *size* bytes, as in signatures and encrypted content."""
    return base64.b64encode(Dice(*seed).octets(size)).decode()
