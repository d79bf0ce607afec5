"""Many clients in one process that do nothing but stamp what comes."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from bench.measure import digest, no_garbage_collection
from bench.precise import precise_loop
from bench.streams import Stream, stream_events
from bench.wire import ResponseReader

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One stream as its client got it."""

    stream: Stream
    sent_ns: int
    """When the request was sent, on the monotonic clock."""
    arrivals_ns: tuple[int, ...]
    """When each event was whole, since the request; as many as came."""
    ended_ns: int
    """When its last read came, on the monotonic clock."""
    exact: bool
    """Whether the body hashes to the original's."""


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self.sent_ns = 0
        self.reads: list[tuple[int, bytes]] = []
        self.closed = asyncio.get_running_loop().create_future()
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        self.sent_ns = time.monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.reads.append((time.monotonic_ns(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(exc)


def listen(port: int, streams: Sequence[Stream], *, spread_s: float) -> list[Heard]:
    """
    Ask for all streams on connections of their own and hear them to the end.

    Args:
        spread_s: Each request is sent at a random moment of this long a time, as
            clients that start as one would have every event due at the same moment.

    Raises:
        TimeoutError: They have not all ended after a minute.
    """
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        clients = runner.run(_listen(port, streams, spread_s))
    return [
        _heard(stream, client.sent_ns, client.reads)
        for stream, client in zip(streams, clients, strict=True)
    ]


def hear(port: int, stream: Stream, connection: socket.socket | None = None) -> Heard:
    """
    Ask for one stream and hear it to its end, by nothing but a socket that blocks.

    Args:
        connection: One that is open already; None to open one.
    """
    reads: list[tuple[int, bytes]] = []
    with connection or socket.create_connection(("127.0.0.1", port)) as asking:
        asking.settimeout(_LIMIT_S)
        request = stream.request(port, close=True)
        sent_ns = time.monotonic_ns()
        asking.sendall(request)
        while data := asking.recv(65536):
            reads.append((time.monotonic_ns(), data))
    return _heard(stream, sent_ns, reads)


async def _listen(
    port: int, streams: Sequence[Stream], spread_s: float
) -> list[_Client]:
    loop = asyncio.get_running_loop()
    starts = random.Random(len(streams))
    clients = []
    for stream in streams:
        connect = partial(_Client, stream.request(port, close=True))
        _, client = await loop.create_connection(connect, "127.0.0.1", port)
        clients.append(client)
    with no_garbage_collection():
        async with asyncio.timeout(_LIMIT_S):
            for client in clients:
                loop.call_later(starts.uniform(0, spread_s), client.ask)
            await asyncio.gather(*(client.closed for client in clients))
    return clients


def _heard(stream: Stream, sent_ns: int, reads: Sequence[tuple[int, bytes]]) -> Heard:
    reader = ResponseReader()
    events = stream_events(stream)
    ends = list(accumulate(map(len, events)))
    arrivals: list[int] = []
    for at_ns, data in reads:
        reader.feed(data)
        while len(arrivals) < len(ends) and reader.length >= ends[len(arrivals)]:
            arrivals.append(at_ns - sent_ns)
    return Heard(
        stream=stream,
        sent_ns=sent_ns,
        arrivals_ns=tuple(arrivals),
        ended_ns=reads[-1][0] if reads else sent_ns,
        exact=reader.done and digest(reader.parts) == digest(events),
    )
