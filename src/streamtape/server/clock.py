"""The only place where a clock is read, and an event loop whose timers are exact."""

from __future__ import annotations

import asyncio
import math
import select
import selectors
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A call that has been put off."""

    def cancel(self) -> None:
        """Take it back; does nothing once it has run."""


class Clock(Protocol):
    """Time as the recipes see it; :class:`streamtape.testing.FakeClock` is another."""

    def now_ns(self) -> int:
        """Monotonic time; only differences mean anything."""

    def call_at_ns(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back once :meth:`now_ns` has reached a time, never from within this."""


class SystemClock:
    """The machine's monotonic clock and the running loop's timers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    now_ns = staticmethod(time.monotonic_ns)

    def call_at_ns(self, due_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back at a time; asyncio's own clock is this one, in seconds."""
        return self._loop.call_at(due_ns / 1e9, callback)


async def sleep_until_ns(clock: Clock, due_ns: int) -> None:
    """Wait until a deadline; returns at once when it has passed."""
    if clock.now_ns() >= due_ns:
        return
    reached = asyncio.Event()
    timer = clock.call_at_ns(due_ns, reached.set)
    try:
        await reached.wait()
    finally:
        timer.cancel()


def wall_time() -> str:
    """The date and time in UTC, ISO 8601 to the second; for people only."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


wall_ns = time.time_ns
"""The wall clock in ns since 1970, as the times of files are counted."""


cpu_ns = time.thread_time_ns
"""The time that the calling thread has spent at work, in ns."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """
    Make a loop whose timers are exact to some microseconds where epoll is used.

    Elsewhere it is the system's plain loop, whose timers are late by up to a
    millisecond.
    """
    if hasattr(selectors, "EpollSelector"):
        return asyncio.SelectorEventLoop(PreciseSelector())
    # Not the default of every system: the sockets that it accepts from are watched.
    return asyncio.SelectorEventLoop()


if hasattr(selectors, "EpollSelector"):

    class PreciseSelector(selectors.EpollSelector):
        """
        An epoll selector that waits to the microsecond instead of the millisecond.

        epoll counts in whole milliseconds and asyncio rounds up, so every timer
        would be late. The whole milliseconds are waited as ever; the loop then
        comes back for the fraction, which select(2) waits exactly.
        """

        def select(
            self, timeout: float | None = None
        ) -> list[tuple[selectors.SelectorKey, int]]:
            """Wait as the base class does, but never past the timeout."""
            descriptor = self.fileno()
            # select(2) can't take a larger descriptor.
            if timeout is None or timeout <= 0 or descriptor >= 1024:
                return super().select(timeout)
            whole_ms = math.floor(timeout * 1e3)
            if whole_ms:
                # Half a millisecond less, because the base class rounds up.
                return super().select((whole_ms - 0.5) / 1e3)
            select.select([descriptor], [], [], timeout)
            return super().select(0)
