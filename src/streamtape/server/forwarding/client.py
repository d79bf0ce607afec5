"""
aiohttp's client, without what it would lose, ask twice or take for something else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet, WeakValueDictionary

import aiohttp
from aiohttp.connector import Connection

from streamtape.server.clock import Clock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CONNECT_LIMIT_S: Final = 30


class StaleConnectionError(aiohttp.ClientConnectionError):
    """
    A connection of the pool is of no use; nothing was sent over it.
    """


class NoAnswerError(aiohttp.ClientConnectionError):
    """
    The connection broke before there was an answer.
    """


class TimedResponse(aiohttp.ClientResponse):
    """
    An answer that knows how long its head took.
    """

    sent_ns: int
    """
    When the last byte was handed to the system of what was sent of the request before
    the head had come, on the clock: of all of it, unless the upstream answered early.
    """
    arrived_ns: int
    """When the head had come, on the clock; never before :attr:`sent_ns`."""
    wire: _Socket

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """
        Wait for the head.
        """
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
    found by whoever reads, behind all that has arrived.

    An upstream may answer before it was sent the whole request, and close. The next
    write then fails, asyncio closes at once, and the answer would never be read,
    although the system still has it. So what can't be sent any more is dropped.
    """

    clock: Clock
    sent_ns = 0
    """When bytes were last handed to the system, on the clock."""

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """
        Send some bytes, or drop all of them if the connection is broken.
        """
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
        """
        Send the same in more than one piece.
        """
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
