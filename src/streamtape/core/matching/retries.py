"""
Failures that a client retries: which to skip, and how long it is told to wait.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamtape.core.model import Headers

_RETRIED: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500
NO_ANSWER: Final = 599
"""Stands for the status of a take that can't be played: a failure like others."""

_LONGEST_S: Final = 1e12
"""Whoever is told to wait for longer waits for ever."""
_SHORTEST_MS: Final = 1
"""Of nothing to wait for the SDKs make a wait of their own."""


def is_retried(status: int) -> bool:
    """
    Whether the SDKs ask again after an answer with this status.
    """
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
    """
    Return a number however it is written; the SDKs take all that are one.
    """
    try:
        wait = float(value)
    except ValueError:
        return None
    return min(wait, _LONGEST_S) if 0 <= wait < math.inf else None
