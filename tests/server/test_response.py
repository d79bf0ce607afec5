"""An outlet on a connection whose client reads nothing."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from aiohttp import web

from streamtape.core.model import EndReason
from streamtape.server.response import ResponseWriter, head

MIB = 1 << 20
BODY_BYTES = 64 * MIB
"""More than two systems hold between them when nobody reads."""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems can't tell")
async def test_a_reset_waits_for_no_client_that_takes_nothing() -> None:
    """The client is there, and would hold the answer up for ever."""
    ended: asyncio.Queue[None] = asyncio.Queue()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = head(200, "OK", ())
        writer = ResponseWriter(request, response, reset_limit_s=0.05)
        await writer.start()
        writer.write(b"x" * BODY_BYTES)
        await writer.finish(EndReason.UPSTREAM_RESET)
        ended.put_nowait(None)
        return response

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(handle), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(10), server:
            await ended.get()
        client.settimeout(10)
        assert count_until_reset(client) < BODY_BYTES


def count_until_reset(client: socket.socket) -> int:
    received = 0
    try:
        while data := client.recv(MIB):
            received += len(data)
    except ConnectionResetError:
        return received
    pytest.fail("it ended without a reset")


async def test_a_body_that_is_too_long_to_change_passes_as_it_is() -> None:
    """What was held until then is changed; nothing is held from there on."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = head(200, "OK", ())
        writer = ResponseWriter(
            request, response, rewrite=lambda body: body[:0] + b"changed"
        )
        await writer.start()
        for _ in range(33):
            writer.write(b"x" * MIB)
        writer.write(b"the rest")
        await writer.finish(EndReason.COMPLETE)
        return response

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(handle), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()

    body = answer.partition(b"\r\n\r\n")[2]
    assert body == b"7\r\nchanged\r\n8\r\nthe rest\r\n0\r\n\r\n"
