"""Making an input that fails small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_MOST_TRIALS: Final = 5000


def minimise(data: bytes, check: Callable[[bytes], None]) -> bytes:
    """
    Leave out what the failure doesn't need; one that doesn't fail stays as it is.

    The first byte, which says of which kind an input is, stays.
    """
    kind = _failure(data, check)
    trials = 0
    size = len(data) // 2
    while kind is not None and size > 0 and trials < _MOST_TRIALS:
        at = 1
        while at < len(data) and trials < _MOST_TRIALS:
            trials += 1
            shorter = data[:at] + data[at + size :]
            if _failure(shorter, check) == kind:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _failure(data: bytes, check: Callable[[bytes], None]) -> str | None:
    try:
        check(data)
    except Exception as error:
        # What it says may hold places, which move.
        return type(error).__name__
    return None
