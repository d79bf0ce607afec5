"""
Requests to the upstream, and its failures in our own words.

They are made by aiohttp's client, without what it would lose, ask twice or take for
something else.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet, WeakValueDictionary

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from streamtape.core.model import EndReason, Request
from streamtape.errors import (
    UpstreamIsStreamtapeError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from streamtape.server.answers import OUTCOME_HEADER
from streamtape.server.clock import Clock
from streamtape.server.upstream.headers import (
    UNKNOWN_ENCODINGS,
    encoding_of,
    forwarded_headers,
)
from streamtape.server.upstream.url import explain_streamtape

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


_UNTRUSTED = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate whose issuer nobody here vouches for."""


class Upstream:
    """
    The one API that this server forwards to.

    Nothing but the configured origin is ever connected to: redirects are passed
    on, cookies are not kept, and the environment's proxies are not used.

    Args:
        base_url: As :func:`streamtape.server.config.check_upstream` returns it.
        clock: Says when a request was sent, and when its answer came.
        source: Who named it, as in the settings; empty if that is not known.
        idle_limit_ns: Longest wait for the head of an answer.
    """

    def __init__(
        self, base_url: str, clock: Clock, *, source: str = "", idle_limit_ns: int
    ) -> None:
        self.base_url = base_url
        self._source = source
        self._origin = URL(base_url).origin()
        self._idle_limit_s = idle_limit_ns / 1e9
        self._session = open_session(clock)

    async def send(self, request: Request) -> TimedResponse:
        """
        Forward a request and return the answer once its head is there.

        Raises:
            UpstreamUnreachableError: No connection, or an answer that is no HTTP.
            UpstreamTimeoutError: No answer within the limit.
            UpstreamIsStreamtapeError: The answer is that of a streamtape.
        """
        url = URL(self.base_url + request.target, encoded=True)
        # The target was checked by the guard; this holds whatever it let pass.
        assert url.origin() == self._origin
        try:
            async with asyncio.timeout(self._idle_limit_s):
                response = await self._ask(request, url)
        except TimeoutError as error:
            message = f"{self._origin} did not answer in {self._idle_limit_s:g} s"
            raise UpstreamTimeoutError(message) from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            # Of the last kind is what blocks the network in tests.
            message = f"{self._origin} can't be used as upstream: {_explain(error)}"
            raise UpstreamUnreachableError(message) from error

        if OUTCOME_HEADER in response.headers:
            # Its replays, and its errors, would become cassettes of ours.
            response.close()
            message = explain_streamtape(self.base_url, self._source)
            raise UpstreamIsStreamtapeError(message)
        reason = ""
        if response.status < 200:
            reason = f"wants another protocol ({response.status})"
        elif (encoding := encoding_of(response.headers)) in UNKNOWN_ENCODINGS:
            reason = (
                f"compressed its answer as {encoding}, although asked not to, and "
                "that can't be decoded here"
            )
        if reason:
            response.close()
            raise UpstreamUnreachableError(f"{self._origin} {reason}")
        return response

    async def _ask(self, request: Request, url: URL) -> TimedResponse:
        while True:
            try:
                response = await self._session.request(
                    request.method,
                    url,
                    headers=[*forwarded_headers(request.headers)],
                    data=BytesIO(request.body) if request.body else None,
                    allow_redirects=False,
                )
                assert isinstance(response, TimedResponse)
                return response
            except StaleConnectionError:
                # It left the pool, so this comes to an end.
                continue

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def reason_of(error: BaseException | None) -> EndReason:
    """Tell how a body ended from the error that ended it, None meaning its framing."""
    if error is None:
        return EndReason.COMPLETE
    if isinstance(error, ConnectionResetError):
        return EndReason.UPSTREAM_RESET
    return EndReason.UPSTREAM_CUT


def _explain_certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return str(cause)
    reason: str = cause.verify_message
    if cause.verify_code in _UNTRUSTED:
        reason += "; if you trust who issued it, name a file with that certificate "
        reason += "in SSL_CERT_FILE"
    return reason


def _explain(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not valid: {_explain_certificate(error)}"
        case aiohttp.ClientConnectorDNSError():
            return "its name can't be resolved"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "the TLS handshake failed; does it speak https?"
        case aiohttp.ClientConnectorError():
            code = error.os_error.errno
            return f"no connection ({os.strerror(code) if code else error.os_error})"
        case NoAnswerError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "what it sent is no HTTP"
    return type(error).__name__


_CONNECT_LIMIT_S: Final = 30


class StaleConnectionError(aiohttp.ClientConnectionError):
    """A connection of the pool is of no use; nothing was sent over it."""


class NoAnswerError(aiohttp.ClientConnectionError):
    """The connection broke before there was an answer."""


class TimedResponse(aiohttp.ClientResponse):
    """An answer that knows how long its head took."""

    sent_ns: int
    """
    When the last byte was handed to the system of what was sent of the request before
    the head had come, on the clock: of all of it, unless the upstream answered early.
    """
    arrived_ns: int
    """When the head had come, on the clock; never before :attr:`sent_ns`."""
    wire: _Socket

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the head."""
        await super().start(connection)
        self.sent_ns, self.arrived_ns = self.wire.sent_ns, self.wire.clock.now_ns()
        return self


def open_session(clock: Clock) -> aiohttp.ClientSession:
    """
    Make a client that keeps no cookies, adds no headers and undoes no encoding.

    Its answers are of :class:`TimedResponse`.
    """
    make_socket = partial(_make_socket, clock)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, socket_factory=make_socket),
        request_class=_CarefulRequest,
        response_class=TimedResponse,
        middlewares=(_ask_once,),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_LIMIT_S),
        skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
    )


async def _ask_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """
    Keep aiohttp from asking again by itself, as it does for some methods.

    Whether to try again is for the client to say, and the upstream counts.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise NoAnswerError from error


class _CarefulRequest(aiohttp.ClientRequest):
    """
    A request that no answer is given to which came before it was sent.

    What an upstream says while a connection is idle would be taken for the answer to
    the next request over it, and every later answer for that of the one before.
    """

    _used: ClassVar[WeakSet[asyncio.Protocol]] = WeakSet()

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """
        Send it, unless the connection was used before and can't be trusted again.

        Raises:
            StaleConnectionError: So it is.
        """
        protocol = conn.protocol
        assert protocol is not None
        if protocol in self._used:
            # Within two turns of the loop all is read that has arrived.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if protocol.should_close or not protocol.is_connected():
                raise StaleConnectionError
        self._used.add(protocol)
        wire = _find_socket(conn)
        # Of what was sent over it before, nothing counts any more.
        wire.sent_ns = wire.clock.now_ns()
        response = await super().send(conn)
        assert isinstance(response, TimedResponse)
        response.wire = wire
        return response


class _Socket(socket.socket):
    """
    A socket that knows when it was last given something to send, and whose break is
    found by whoever reads, after all that has arrived.

    An upstream may answer before it was sent the whole request, and close. The next
    write then fails, asyncio closes at once, and the answer would never be read,
    although the system still has it. So what can't be sent any more is dropped.
    """

    clock: Clock
    sent_ns = 0
    """When bytes were last handed to the system, on the clock."""

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Send some bytes, or drop all of them if the connection is broken."""
        # Behind the call, the upstream may have had time to answer.
        at_ns = self.clock.now_ns()
        try:
            count = super().send(data, flags)
        except ConnectionError as error:
            self._break(error)
            return memoryview(data).nbytes
        self.sent_ns = at_ns
        return count

    def sendmsg(self, buffers: Iterable[ReadableBuffer], *others: Any) -> int:
        """Send the same in more than one piece."""
        pieces = list(buffers)
        at_ns = self.clock.now_ns()
        try:
            count = super().sendmsg(pieces, *others)
        except ConnectionError as error:
            self._break(error)
            return sum(memoryview(piece).nbytes for piece in pieces)
        self.sent_ns = at_ns
        return count

    def _break(self, error: ConnectionError) -> None:
        """
        Let the end be read as the break that it was.

        The system tells of it once, and tells it to the writer. Only a broken socket
        reads by way of this.
        """

        def recv(size: int, flags: int = 0) -> bytes:
            if data := super(_Socket, self).recv(size, flags):
                return data
            raise error

        def recv_into(buffer: WriteableBuffer, size: int = 0, flags: int = 0) -> int:
            if count := super(_Socket, self).recv_into(buffer, size, flags):
                return count
            raise error

        vars(self).update(recv=recv, recv_into=recv_into)


_open: Final = WeakValueDictionary[int, _Socket]()
"""By their descriptors: asyncio shows no more of a socket than that."""


def _make_socket(clock: Clock, address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = _Socket(family=family, type=kind, proto=protocol)
    made.clock = clock
    _open[made.fileno()] = made
    return made


def _find_socket(conn: Connection) -> _Socket:
    """
    Return the socket of a connection.

    Raises:
        ServerDisconnectedError: The upstream has closed it by now.
    """
    transport = conn.transport
    if transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError
    return _open[transport.get_extra_info("socket").fileno()]
