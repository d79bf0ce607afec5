"""
The client's side of one answer: its head, its bytes, and how it ends.

Every answer of a cassette or an upstream gets the headers that say what became of the
request and a line in the log, and is changed where the client would not come back to
us: redirects within a scope, and the absolute URL of a batch's results. Both SDKs
follow that one with the key, whatever their base URL is. Left alone, a replay would
leave the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from streamtape.core.model import EndReason, Headers, Request, Response, media_type
from streamtape.server.answers import OUTCOME_HEADER, add_cors
from streamtape.server.http.aiohttp_compat import UntypedResponse
from streamtape.server.request import RequestContext

log = logging.getLogger(__name__)

_LINGER_NOT = struct.pack("ii", 1, 0)

_BODILESS = frozenset({204, 304})

_UNSENT_POLL_S: Final = 0.001

_RESET_LIMIT_S: Final = 15
"""How long a reset waits for a client that takes nothing of what came before it."""

_HELD_BYTES: Final = 32 * 1024 * 1024
"""How much of a body is held back to be changed; the rest passes as it is."""


class ResponseWriter:
    """
    Writes an answer straight to the connection, without a turn of the loop.

    Bodies are chunked, so that a break can be told from an end.

    Args:
        rewrite: A change to the whole body, which is then held back to its end;
            None to send every byte at once as it is.
        reset_limit_s: How long a reset waits for a client that takes nothing.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        *,
        rewrite: Callable[[bytes], bytes] | None = None,
        reset_limit_s: float = _RESET_LIMIT_S,
    ) -> None:
        self.response = response
        self._rewrite = rewrite
        self._reset_limit_s = reset_limit_s
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._request = request
        self._protocol = request.protocol
        self._transport = request.transport
        self._has_body = response.status not in _BODILESS
        self._is_chunked = request.version >= HttpVersion11 and self._has_body

    async def start(self) -> None:
        """
        Send the head. Does not give up control to the loop.
        """
        if self._is_chunked:
            self.response.enable_chunked_encoding()
        elif self._has_body:
            # Its end is the end of the connection.
            self.response.force_close()
        await self.response.prepare(self._request)

    def write(self, data: bytes) -> None:
        """Send bytes of the body; dropped when the client has gone."""
        if self._rewrite is None:
            self._send(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HELD_BYTES:
            self._send_held()

    @property
    def has_room(self) -> bool:
        """Whether the client keeps up; if not, await :meth:`drain`."""
        return not self._protocol.writing_paused

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        with contextlib.suppress(ConnectionError):
            await self._request.writer.drain()

    async def finish(self, reason: EndReason) -> None:
        """
        End the answer as the recorded one ended.

        COMPLETE and UPSTREAM_EOF end by the framing, UPSTREAM_RESET by a reset,
        everything else by a connection that closes within the body.
        """
        self._send_held()
        if reason in (EndReason.COMPLETE, EndReason.UPSTREAM_EOF):
            with contextlib.suppress(ConnectionError):
                await self.response.write_eof()
            return
        # An unchunked body has no end of its own: only a reset can be told from it.
        if reason is EndReason.UPSTREAM_RESET or not self._is_chunked:
            await self._reset()
        elif self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now, whatever of the answer is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def _send_held(self) -> None:
        rewrite, self._rewrite = self._rewrite, None
        if rewrite is not None:
            held = b"".join(self._held)
            self._held.clear()
            self._send(rewrite(held))

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing() or not data:
            return
        if not self._has_body:
            # A client would take it for the head of its next answer.
            return
        if self._is_chunked:
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            transport.write(data)

    async def _reset(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        connection = transport.get_extra_info("socket")
        # What was written arrives first: a reset throws away what is on its way.
        # A client that never reads gets it all the same, and loses that.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._reset_limit_s):
                transport.set_write_buffer_limits(high=0)
                await self.drain()
                await _wait_until_taken(transport, connection)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()


async def _wait_until_taken(
    transport: asyncio.Transport, connection: socket.socket
) -> None:
    # The system tells no event when the last byte has been taken, hence the noqa.
    while not transport.is_closing() and _count_unsent(connection.fileno()):  # noqa: ASYNC110
        await asyncio.sleep(_UNSENT_POLL_S)


if sys.platform == "linux":
    import fcntl
    import termios

    def _count_unsent(descriptor: int) -> int:
        """Count the bytes that the other side's system hasn't taken yet."""
        counted = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(counted, sys.byteorder)

else:

    def _count_unsent(descriptor: int) -> int:
        """Systems that can't tell lose what is on its way to a slow client."""
        return 0


def head(
    status: int, reason: str, headers: Sequence[tuple[str, str]]
) -> web.StreamResponse:
    """Make the head of an answer; names that occur more than once stay so."""
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    kind = web.StreamResponse if has_type else UntypedResponse
    response = kind(status=status, reason=reason or None)
    for name, value in headers:
        response.headers.add(name, value)
    return response


def open_response(
    context: RequestContext, answer: Response, outcome: str
) -> ResponseWriter:
    """
    Return the client's side of an answer, of which nothing is sent yet.

    Args:
        outcome: What becomes of the request, in a word.
    """
    headers = in_scope(answer.headers, context.own_url)
    response = head(answer.status, answer.reason, headers)
    response.headers[OUTCOME_HEADER] = outcome
    if (origin := context.web_request.headers.get("Origin")) is not None:
        add_cors(response, origin)
    rewrite = find_rewrite(
        context.request.path, answer.headers, own_url=context.own_url
    )
    return ResponseWriter(context.web_request, response, rewrite=rewrite)


def log_outcome(
    outcome: str, name: str, request: Request, status: int, ended: EndReason
) -> None:
    """
    Log what became of a request.

    Args:
        name: Of the cassette, if there is one.
        request: Redacted.
    """
    # A file's name may hold bytes that are no text, which not every log can take.
    printable = name.encode(errors="backslashreplace").decode()
    log.info(
        "%s: %s %s %s%s",
        f"{outcome} {printable}".rstrip(),
        request.method,
        request.path,
        status,
        "" if ended is EndReason.COMPLETE else f", {ended.replace('_', ' ')}",
    )


# JSON may spell a slash with a backslash before it, and some writers do.
_SLASH = rb"\\?/"
_RESULTS_URL = re.compile(
    rb'("results_url"\s*:\s*")https?:%b[^"]*?(%b[^"]*")'
    % (_SLASH * 2, _SLASH.join([b"", b"v1", b"messages", b"batches", b""]))
)


def in_scope(headers: Headers, own_url: str) -> Headers:
    """
    Return headers whose redirects within the upstream stay in the client's scope.

    Args:
        own_url: This server's base URL as the client knows it.
    """
    prefix = urlsplit(own_url).path
    return tuple(
        (name, f"{prefix}{value}")
        if name.lower() == "location" and value.startswith("/")
        else (name, value)
        for name, value in headers
    )


def find_rewrite(
    path: str, headers: Headers, *, own_url: str
) -> Callable[[bytes], bytes] | None:
    """
    Return the change to make to a whole body, or None to leave it alone.

    Args:
        headers: Those of the response.
        own_url: This server's base URL as the client knows it.
    """
    is_batch = path.startswith("/v1/messages/batches")
    if not is_batch or media_type(headers) != "application/json":
        return None
    return lambda body: _RESULTS_URL.sub(rb"\1" + own_url.encode() + rb"\2", body)
