"""
Answers that run, and waiting for them.
"""

from __future__ import annotations

import threading
from types import TracebackType


class RunningAnswers:
    """
    Counts answers while they run, as a context manager around each.

    A client may have the last byte of an answer before its server is done with it.
    For use by several threads.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, limit_s: float) -> bool:
        """
        Wait until none runs, and return whether that is so. Blocks.

        Args:
            limit_s: How long at most; some clients leave a stream open.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, limit_s)
