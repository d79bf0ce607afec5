"""
Signals that end a command which writes: it is to leave nothing half-written behind.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def tidying() -> Iterator[None]:
    """
    Let SIGTERM and SIGHUP unwind the block, as Ctrl-C does, and leave with the status
    that a shell gives to what they end.

    Where SIGHUP is ignored, as under nohup, it stays so.
    """
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
