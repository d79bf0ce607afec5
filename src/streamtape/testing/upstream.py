"""
An embedded Messages API on the loopback interface, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, Self, TypeAlias

from streamtape.testing.http1 import (
    MOST_HEAD_BYTES,
    ClientGoneError,
    read_request,
    send_reply,
)
from streamtape.testing.profile import TYPICAL, Profile
from streamtape.testing.replies import Reply, error_reply
from streamtape.testing.script import default_answers
from streamtape.testing.seen import SeenRequest

Answers: TypeAlias = Callable[[SeenRequest], Reply]

_HOST: Final = "127.0.0.1"


class FakeUpstream:
    """
    A real HTTP server that answers from a script; a context manager.

    Usable from any thread, with or without an event loop there. An exception in
    *answers* becomes a 500 answer with its message.

    Args:
        answers: What to answer: a function of the request, which runs in the
            upstream's thread; or replies to give in turn, the last one for ever;
            or None for :func:`default_answers`.
        port: 0 for a free one.
        profile: The timing of the default answers.
        tls: With the certificate to show; None for plain HTTP.
    """

    def __init__(
        self,
        answers: Answers | Sequence[Reply] | None = None,
        *,
        port: int = 0,
        profile: Profile = TYPICAL,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if answers is None:
            answers = partial(default_answers, profile=profile)
        self._answers = answers if callable(answers) else _in_turn(answers)
        self._port = port
        self._tls = tls
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._departures = threading.Semaphore(0)
        self.requests: list[SeenRequest] = []
        """All requests so far, in the order in which they were whole."""

    def __repr__(self) -> str:
        return f"<FakeUpstream {self.url}, {len(self.requests)} requests>"

    @property
    def url(self) -> str:
        """
        The base URL, without a slash at its end; known once it has started.
        """
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """
        Listen; connections are taken when this returns.

        Raises:
            OSError: The port is taken.
        """
        listening: Future[None] = Future()
        run = partial(asyncio.run, self._serve(listening))
        thread = threading.Thread(target=run, name="fake-upstream", daemon=True)
        thread.start()
        listening.result()
        self._thread = thread

    def stop(self) -> None:
        """
        Close every connection and wait for the thread to end; again does nothing.
        """
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def wait_for_departure(self, timeout_s: float = 5.0) -> bool:
        """
        Wait until a client has left before its answer's end; one call, one client.

        Returns:
            False if none did in time.
        """
        return self._departures.acquire(timeout=timeout_s)

    async def _serve(self, listening: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        connections: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:

            def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                connection = group.create_task(self._converse(reader, writer))
                connections.add(connection)
                connection.add_done_callback(connections.discard)

            try:
                server = await asyncio.start_server(
                    accept,
                    _HOST,
                    self._port,
                    limit=MOST_HEAD_BYTES,
                    ssl=self._tls,
                )
            except OSError as exc:
                listening.set_exception(exc)
                return
            self._port = server.sockets[0].getsockname()[1]
            listening.set_result(None)
            await self._stopping.wait()
            server.close()
            for connection in connections:
                connection.cancel()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while await self._answer_next(reader, writer):
                pass
        except asyncio.CancelledError:
            # A client that doesn't read must not hold up the end.
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _answer_next(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """
        Take one request; say whether the connection can take another.
        """
        seen = await read_request(reader, writer)
        if seen is None:
            return False
        self.requests.append(seen)
        try:
            reply = self._answers(seen)
        except Exception as exc:
            message = f"answers() raised {type(exc).__name__}: {exc}"
            reply = error_reply(500, "api_error", message, should_retry=False)
        try:
            return await send_reply(seen, reply, reader, writer)
        except ClientGoneError:
            self._departures.release()
            return False


def _in_turn(replies: Sequence[Reply]) -> Answers:
    """
    Return answers that give each reply once, and the last one from then on.
    """
    if not replies:
        raise ValueError("no replies to give")
    turns = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda _: next(turns)
