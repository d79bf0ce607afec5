"""
An event loop whose timers go off when they are due.

The stock selector rounds every wait up to a whole millisecond, which would be
most of what this benchmark measures. Linux only.
"""

from __future__ import annotations

import asyncio
import select
import selectors


class _PreciseSelector(selectors.EpollSelector):
    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            # The descriptor of an epoll is readable when any of its own is.
            select.select([self.fileno()], (), (), timeout)
            timeout = 0
        return super().select(timeout)


def precise_loop() -> asyncio.AbstractEventLoop:
    """A loop for ``asyncio.Runner``; make it before many descriptors are open."""
    return asyncio.SelectorEventLoop(_PreciseSelector())
