"""Signals that end a command: it leaves nothing half-written, and no child running."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

ENDED: Final = 0
"""Stands for an end that was waited for where signals are read; no signal's number."""


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
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


class StopSignals:
    """
    The signals that ask us to end, as numbers to be read.

    The system may hand a signal to any thread, and then the main one would not
    wake from a lock or from a wait for a child. It wakes from a socket.
    """

    def __init__(self) -> None:
        self._numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not (
            signal.SIG_IGN
        ):
            # The terminal was closed; under nohup that is nothing to us.
            self._numbers.append(signal.SIGHUP)
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno())
        for number in self._numbers:
            # Not SIG_IGN, which a command of ours would inherit.
            signal.signal(number, lambda *_: None)

    def next(self) -> int:
        """Wait for a signal, or for the end of what is watched."""
        return self._reader.recv(1)[0]

    def pending(self) -> int | None:
        """Return a signal that came already, or None."""
        self._reader.setblocking(False)
        try:
            return self.next()
        except BlockingIOError:
            return None
        finally:
            self._reader.setblocking(True)

    def watch(self, wait: Callable[[], object]) -> None:
        """Let :meth:`next` return `ENDED` when a function that waits has returned."""

        def wake() -> None:
            wait()
            # Nobody may listen any more: a signal came first.
            with contextlib.suppress(OSError):
                self._writer.send(bytes([ENDED]))

        threading.Thread(target=wake, name="streamtape-watch", daemon=True).start()

    def close(self) -> None:
        """Give the signals their usual effect back; may be called twice."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()
