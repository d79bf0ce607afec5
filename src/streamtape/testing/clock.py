"""A clock that stands still until a test moves it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, order=True)
class Handle:
    """One scheduled call, in the order in which calls run."""

    due_ns: int
    number: int
    callback: Callable[[], None] = field(compare=False, repr=False)
    is_cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Keep the call from running; without effect once it has run."""
        self.is_cancelled = True


class FakeClock:
    """
    Virtual time in integer nanoseconds, which moves only when it is told to.

    Calls run in the order of their due times, and in the order in which they were
    scheduled where these are equal. During a call the time is exactly its due time.

    Args:
        now_ns: The time at the start.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._pending: list[Handle] = []
        self._numbers = itertools.count()

    def now_ns(self) -> int:
        """Return the time, which never decreases."""
        return self._now_ns

    def call_at_ns(self, due_ns: int, callback: Callable[[], None]) -> Handle:
        """Have *callback* run at a time, or at once on the next move if it is past."""
        handle = Handle(max(due_ns, self._now_ns), next(self._numbers), callback)
        heapq.heappush(self._pending, handle)
        return handle

    def advance_to_ns(self, time_ns: int) -> None:
        """
        Run what is due until a time, that time included, and stop there.

        Raises:
            ValueError: The time is past.
        """
        if time_ns < self._now_ns:
            message = (
                f"the clock is at {self._now_ns} ns and can't go back to {time_ns}"
            )
            raise ValueError(message)
        while self._pending and self._pending[0].due_ns <= time_ns:
            self._run_next()
        # A call may itself have moved the clock further.
        self._now_ns = max(self._now_ns, time_ns)

    def run(self) -> None:
        """
        Run everything, what the calls themselves schedule included.

        The clock stops at the last call that ran.
        """
        while self._pending:
            self._run_next()

    def _run_next(self) -> None:
        handle = heapq.heappop(self._pending)
        if not handle.is_cancelled:
            self._now_ns = handle.due_ns
            handle.callback()
