"""
From recorded offsets to due times: speed and the longest silence.

A pure map. Who waits until a due time is :mod:`streamtape.server`'s business.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streamtape.errors import UsageError

INSTANT: Final = math.inf
"""By which every offset divides to 0."""

_SLOWEST: Final = 0.001
"""A second in a quarter of an hour; far slower ones overflow a due time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How fast a replay runs."""

    speed: float = 1.0
    """1 is the recorded pace, 10 ten times as fast, INSTANT without any wait."""
    max_gap_ns: int | None = None
    """Longest silence, cut before the speed applies; None leaves all as recorded."""

    def start(self) -> Callable[[int], int]:
        """
        Return the map from offsets to due times of one replay, both in ns.

        Call it with the offsets of one interaction in their order. Due times never
        decrease, and count from the start, not from the previous event, so that a
        late event does not delay the ones after it.
        """
        if self.max_gap_ns is None:
            return lambda offset_ns: round(offset_ns / self.speed)
        previous_ns = cut_ns = 0
        longest_ns = self.max_gap_ns

        def due_ns(offset_ns: int) -> int:
            nonlocal previous_ns, cut_ns
            cut_ns += max(0, offset_ns - previous_ns - longest_ns)
            previous_ns = max(previous_ns, offset_ns)
            return round((offset_ns - cut_ns) / self.speed)

        return due_ns


def parse_speed(text: str) -> float:
    """
    Read a speed as people write it: ``1``, ``0.5``, ``10``, ``10x``, ``instant``.

    Raises:
        UsageError: It is none of these, or below 0.001.
    """
    if text.strip().lower() == "instant":
        return INSTANT
    try:
        speed = float(text.strip().lower().removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not _SLOWEST <= speed < math.inf:
        message = (
            f"expected a speed from {_SLOWEST}, such as 1 or 10, or instant; "
            f"got {text!r}"
        )
        raise UsageError(message)
    return speed
