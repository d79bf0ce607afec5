"""
aiohttp's client, without what it would lose, ask twice or take for something else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection

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


def open_session() -> aiohttp.ClientSession:
    """
    Make a client that keeps no cookies, adds no headers and undoes no encoding.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, socket_factory=_make_socket),
        request_class=_CarefulRequest,
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
        return await super().send(conn)


class _Socket(socket.socket):
    """
    A socket whose break is found by whoever reads, behind all that has arrived.

    An upstream may answer before it was sent the whole request, and close. The next
    write then fails, asyncio closes at once, and the answer would never be read,
    although the system still has it. So what can't be sent any more is dropped.
    """

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """
        Send some bytes, or drop all of them if the connection is broken.
        """
        try:
            return super().send(data, flags)
        except ConnectionError as error:
            self._break(error)
            return memoryview(data).nbytes

    def sendmsg(self, buffers: Iterable[ReadableBuffer], *others: Any) -> int:
        """
        Send the same in more than one piece.
        """
        pieces = list(buffers)
        try:
            return super().sendmsg(pieces, *others)
        except ConnectionError as error:
            self._break(error)
            return sum(memoryview(piece).nbytes for piece in pieces)

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


def _make_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    return _Socket(family=family, type=kind, proto=protocol)
