"""When a request was there, on a clock that stands still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from streamtape.core.redaction.secrets import Secrets
from streamtape.server.http.connections import Connection, HttpServer
from streamtape.server.http.limits import ConnectionLimiter
from streamtape.testing import FakeClock

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


class Asking:
    """
    A client of a server that notes when each of its requests was there.

    Args:
        sent: What it sends before it is accepted.
    """

    def __init__(self, clock: FakeClock, sent: bytes = b"") -> None:
        self.clock = clock
        self.arrived: asyncio.Queue[int] = asyncio.Queue()
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.sent = sent

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncio.StreamWriter]:
        limiter = ConnectionLimiter(most_asking=9)
        server = HttpServer(
            self._answer, limiter, Secrets(), self.clock, head_limit_s=60
        )
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.send(self.sent)
        loop = asyncio.get_running_loop()
        make = partial(server, has_sent=bool(self.sent))
        await loop.connect_accepted_socket(make, theirs)
        # Before the loop has read anything of it.
        self.clock.advance_to_ns(7)
        _, writer = await asyncio.open_connection(sock=ours)
        yield writer
        writer.close()
        await server.shutdown(0)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.has_begun.set()
        await request.read()
        assert isinstance(request.protocol, Connection)
        self.arrived.put_nowait(request.protocol.arrived_ns)
        await self.may_end.wait()
        return web.Response()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_a_request_is_there_when_its_last_byte_is(clock: FakeClock) -> None:
    """What came of it before does not count, however long ago that was."""
    asking = Asking(clock)
    async with asking.connected() as writer:
        writer.write(HEAD + b"{")
        await asking.has_begun.wait()
        clock.advance_to_ns(500)
        writer.write(b"}")

        assert await asking.arrived.get() == 500


async def test_what_was_sent_before_it_was_accepted_was_there_then(
    clock: FakeClock,
) -> None:
    """Making a connection takes some turns of the loop, which are our own work."""
    asking = Asking(clock, HEAD + b"{}")
    async with asking.connected():
        assert await asking.arrived.get() == 0


async def test_only_what_was_there_when_it_was_accepted_counts_from_then(
    clock: FakeClock,
) -> None:
    """The rest of a body that came later is as late as it came."""
    asking = Asking(clock, HEAD + b"{")
    async with asking.connected() as writer:
        await asking.has_begun.wait()
        clock.advance_to_ns(500)
        writer.write(b"}")

        assert await asking.arrived.get() == 500


async def test_a_request_that_came_too_early_counts_from_the_end_of_the_one_before(
    clock: FakeClock,
) -> None:
    """An upstream would not have begun with it either."""
    asking = Asking(clock)
    asking.may_end.clear()
    async with asking.connected() as writer:
        writer.write((HEAD + b"{}") * 2)
        first = await asking.arrived.get()
        clock.advance_to_ns(900)
        asking.may_end.set()

        assert (first, await asking.arrived.get()) == (7, 900)
