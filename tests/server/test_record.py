"""A relay whose tape or client is broken by a defect of our own."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter, start_server
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import CassetteWriter
from streamtape.server.clock import SystemClock
from streamtape.server.record import Batch, RecordingSink, Relay
from streamtape.server.response import ResponseWriter, head

EVENT = b"data: a\n\n"
STREAM = (("content-type", "text/event-stream"),)
SAID = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n9\r\n" + EVENT + b"\r\n"
)


class Defect(Recording):
    """A recording that can't take a chunk, or can't be ended."""

    def __init__(self, *, takes: bool) -> None:
        request = Request(method="POST", target="/v1/messages")
        secrets = Secrets()
        clean = clean_request(request, secrets)
        super().__init__(clean, recorded_at=None, secrets=secrets)
        self._takes = takes

    def feed(self, chunk: bytes, offset_ns: int) -> bytes:
        if self._takes:
            return super().feed(chunk, offset_ns)
        raise KeyError(chunk)

    def end(self, reason: EndReason, offset_ns: int, *, detail: str = "") -> bytes:
        if not self._takes:
            return super().end(reason, offset_ns, detail=detail)
        raise KeyError(reason)


@pytest.mark.parametrize(
    ("takes", "reason"),
    [
        pytest.param(False, EndReason.SHUTDOWN, id="a-chunk"),
        pytest.param(True, EndReason.SHUTDOWN, id="the-end"),
    ],
)
async def test_a_defect_of_ours_ends_one_answer_and_hangs_none(
    takes: bool, reason: EndReason, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    relays: list[Relay] = []

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SAID)
        if takes:
            writer.write(b"0\r\n\r\n")
        # It stays open otherwise: only the proxy can end it.
        await reader.read()
        writer.close()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = head(200, "OK", STREAM)
        relay = Relay(
            await session.get(url),
            ResponseWriter(request, response),
            clock=SystemClock(),
            start_ns=SystemClock.now_ns(),
            response=Response(status=200, reason="OK", headers=STREAM, offset_ns=0),
            sink=RecordingSink(Defect(takes=takes), CassetteWriter(tmp_path, "x")),
            batch=Batch(),
        )
        relays.append(relay)
        await relay.run(3600 * 10**9)
        return response

    loop = asyncio.get_running_loop()
    async with (
        asyncio.timeout(10),
        await start_server(answer, "127.0.0.1", 0) as upstream,
        aiohttp.ClientSession(auto_decompress=False) as session,
        await loop.create_server(web.Server(handle), "127.0.0.1", 0) as server,
    ):
        url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = await reader.read()
        writer.close()

    assert EVENT in received
    assert not received.endswith(b"\r\n0\r\n\r\n")
    assert relays[0].reason is reason
    assert "a defect of streamtape itself" in caplog.text
