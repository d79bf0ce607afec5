"""A tee over a real connection, on a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from streamtape.server.upstream.tee import Tee
from streamtape.testing import FakeClock

IDLE_NS = 3600 * 10**9
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COUNT = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (COUNT * len(PING))


@asynccontextmanager
async def connected(
    clock: FakeClock, chunks: list[bytes]
) -> AsyncIterator[tuple[Tee, StreamWriter]]:
    """Give a tee, and the upstream's end of its connection, when the head is there."""
    ends: asyncio.Queue[StreamWriter] = asyncio.Queue()

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await ends.put(writer)

    async with (
        await start_server(answer, "127.0.0.1", 0) as server,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        port = server.sockets[0].getsockname()[1]
        response = await session.get(f"http://127.0.0.1:{port}")
        tee = Tee(response, clock, lambda chunk, _: chunks.append(chunk), came_ns=0)
        tee.start()
        upstream = await ends.get()
        yield tee, upstream
        tee.close()
        upstream.close()


async def test_a_pause_is_no_silence_of_the_upstream() -> None:
    """It may be longer than the limit, because nothing was read in it."""
    clock = FakeClock()
    chunks: list[bytes] = []
    async with connected(clock, chunks) as (tee, upstream):
        tee.pause()
        await tee.wait(IDLE_NS)
        clock.advance_to_ns(2 * IDLE_NS)
        tee.resume()
        upstream.write(PING * COUNT)

        await tee.wait(IDLE_NS)

    assert (b"".join(chunks), tee.error) == (PING * COUNT, None)


@pytest.mark.case(43)
async def test_every_chunk_is_a_sign_of_life_and_so_is_a_ping() -> None:
    """Nothing came for nearly the limit, many times over."""
    clock = FakeClock()
    chunks: list[bytes] = []
    async with connected(clock, chunks) as (tee, upstream):
        for number in range(1, COUNT):
            clock.advance_to_ns(number * (IDLE_NS - 1))
            upstream.write(PING)
            while len(chunks) < number:  # noqa: ASYNC110 - nothing tells of a chunk
                await asyncio.sleep(0)
        upstream.write(PING)
        await tee.wait(IDLE_NS)

    assert (b"".join(chunks), tee.error) == (PING * COUNT, None)


@pytest.mark.case(43)
async def test_silence_that_lasts_too_long_is_told() -> None:
    clock = FakeClock()
    async with connected(clock, []) as (tee, _):
        clock.advance_to_ns(IDLE_NS)

        with pytest.raises(TimeoutError):
            await tee.wait(IDLE_NS)


async def test_what_came_with_the_head_came_when_that_did() -> None:
    """What is done between the two is our own work, and not the upstream's."""
    times_ns: list[int] = []

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + PING * COUNT)
        writer.close()

    async with (
        await start_server(answer, "127.0.0.1", 0) as server,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        port = server.sockets[0].getsockname()[1]
        response = await session.get(f"http://127.0.0.1:{port}")
        clock = FakeClock(99)
        tee = Tee(response, clock, lambda _, at_ns: times_ns.append(at_ns), came_ns=33)
        tee.start()
        await tee.wait(IDLE_NS)
        tee.close()

    assert times_ns == [33]
