"""An event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine

from streamtape.server.clock import new_event_loop

log = logging.getLogger(__name__)


class LoopThread:
    """
    Runs a coroutine until it is told to stop, for sync and async code alike.

    Args:
        main: Called in the loop; it awaits :meth:`run_until_stopped` when it is ready,
            and cleans up after that.
    """

    def __init__(self, main: Callable[[], Coroutine[None, None, None]]) -> None:
        self._main = main
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, name="streamtape", daemon=True
        )

    def start(self) -> None:
        """
        Return when it is ready.

        Raises:
            BaseException: What it raised before it was.
        """
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:
            # Ctrl-C: there is nobody to stop it any more.
            self._started.wait()
            self.stop()
            raise
        if self._error is not None:
            self._thread.join()
            raise self._error

    async def run_until_stopped(self) -> None:
        """Let :meth:`start` return, and wait for :meth:`stop`."""
        self._started.set()
        await self._stopping.wait()

    def stop(self) -> None:
        """Return when it has ended; may be called twice."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def wait_for(self, waiting: Coroutine[None, None, None]) -> None:
        """
        Run another coroutine in the loop and return when it has ended, or the loop.
        """
        with contextlib.suppress(concurrent.futures.CancelledError, RuntimeError):
            asyncio.run_coroutine_threadsafe(waiting, self._loop).result()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                self._loop = runner.get_loop()
                self._stopping = asyncio.Event()
                runner.run(self._main())
        except BaseException as error:
            if self._started.is_set():
                # Nobody waits for it any more, and it must not end in silence.
                log.critical("a defect of streamtape itself", exc_info=error)
            self._error = error
            self._started.set()
