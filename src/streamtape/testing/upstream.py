"""
An embedded Messages API on the loopback interface, in a thread of its own.

It speaks HTTP/1.1 plainly enough to end an answer in every bad way. An HTTP library
ends answers properly and adds headers of its own; here the bytes of a reply are all
that goes out, and they go out when they are due.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, Self, TypeAlias, assert_never

from streamtape.core.model import Headers, find_header
from streamtape.testing.profile import TYPICAL, Profile, Write
from streamtape.testing.prompt import SeenRequest
from streamtape.testing.replies import Framing, Reply, ReplyEnding, error_reply
from streamtape.testing.script import default_answers

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
        """The base URL, without a slash at its end; known once it has started."""
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
        """Close every connection and wait for the thread to end; again does nothing."""
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
        """Take one request; say whether the connection can take another."""
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
    """Return answers that give each reply once, and the last one from then on."""
    if not replies:
        raise ValueError("no replies to give")
    turns = itertools.chain(replies, itertools.repeat(replies[-1]))
    return lambda _: next(turns)


MOST_HEAD_BYTES: Final = 1 << 20
_LINGER_NOT: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ClientGoneError(Exception):
    """The client left before it had got the whole answer."""


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> SeenRequest | None:
    """
    Read one request with its whole body; None if that can't be had.

    That is so when the client leaves before the end, or sends what isn't HTTP/1.1.
    One that waits to be told to go on is told so.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = tuple(_split_header(line) for line in lines)
        if (find_header(headers, "expect") or "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
    except (
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ConnectionError,
        ValueError,
    ):
        return None
    return SeenRequest(method=method, target=target, headers=headers, body=body)


def _split_header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


async def _read_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    if (find_header(headers, "transfer-encoding") or "").lower() != "chunked":
        return await reader.readexactly(
            int(find_header(headers, "content-length") or 0)
        )
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # Trailers say nothing about the body.
    return bytes(body)


async def send_reply(
    seen: SeenRequest,
    reply: Reply,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """
    Send a reply at its times; closing the connection is left to the caller.

    Due times count from the call, so that a late write does not delay the next. The
    event loop itself turns Nagle's algorithm off.

    Returns:
        Whether the connection can take another request.

    Raises:
        ClientGoneError: The client left before the end.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        for offset_ns, raw in _wire_writes(seen, reply):
            await asyncio.sleep(start + offset_ns / 1e9 - loop.time())
            writer.write(raw)
            await writer.drain()
    except ConnectionError as exc:
        raise ClientGoneError from exc
    match reply.ending:
        case ReplyEnding.COMPLETE | ReplyEnding.EOF:
            return (
                reply.framing is not Framing.CLOSE
                and (find_header(seen.headers, "connection") or "").lower() != "close"
            )
        case ReplyEnding.CUT:
            return False
        case ReplyEnding.RESET:
            # Closing is then a reset.
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            return False
        case ReplyEnding.STALL:
            await _wait_until_closed(reader)
            raise ClientGoneError
        case _:
            assert_never(reply.ending)


async def _wait_until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


def _wire_writes(seen: SeenRequest, reply: Reply) -> Iterator[Write]:
    yield Write(reply.head_offset_ns, _head(reply))
    if seen.method == "HEAD":
        return
    is_chunked = reply.framing is Framing.CHUNKED
    last_ns = reply.head_offset_ns
    for offset_ns, raw in reply.writes:
        # An empty chunk would be the last.
        if raw and is_chunked:
            yield Write(offset_ns, b"%x\r\n%b\r\n" % (len(raw), raw))
        elif raw:
            yield Write(offset_ns, raw)
        last_ns = offset_ns
    if is_chunked and _is_whole(reply):
        yield Write(last_ns, b"0\r\n\r\n")


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    match reply.framing:
        case Framing.CHUNKED:
            lines.append("transfer-encoding: chunked")
        case Framing.LENGTH:
            missing = 0 if _is_whole(reply) else 1
            lines.append(f"content-length: {len(reply.body) + missing}")
        case Framing.CLOSE:
            lines.append("connection: close")
        case _:
            assert_never(reply.framing)
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _is_whole(reply: Reply) -> bool:
    return reply.ending in (ReplyEnding.COMPLETE, ReplyEnding.EOF)
