from __future__ import annotations

import socket
from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientOSError, ClientPayloadError

from streamtape.core.model import EndReason, Request
from streamtape.errors import (
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from streamtape.server.forwarding.upstream import Upstream, reason_of
from streamtape.testing import INSTANT, FakeUpstream, json_reply

MS = 1_000_000
REQUEST = Request(method="POST", target="/v1/messages", body=b"{}")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, EndReason.COMPLETE),
        (ConnectionResetError(), EndReason.UPSTREAM_RESET),
        (ClientPayloadError(), EndReason.UPSTREAM_CUT),
        (ClientOSError(), EndReason.UPSTREAM_CUT),
        (TimeoutError(), EndReason.UPSTREAM_CUT),
    ],
)
def test_an_ending_is_told_by_its_error(
    error: BaseException | None, reason: EndReason
) -> None:
    assert reason_of(error) is reason


@asynccontextmanager
async def connected(
    base_url: str, *, idle_limit_ns: int = 10_000 * MS
) -> AsyncIterator[Upstream]:
    upstream = Upstream(base_url, idle_limit_ns=idle_limit_ns)
    try:
        yield upstream
    finally:
        await upstream.close()


async def failure(base_url: str, *, idle_limit_ns: int = 10_000 * MS) -> UpstreamError:
    async with connected(base_url, idle_limit_ns=idle_limit_ns) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.send(REQUEST)
    assert base_url in str(caught.value)
    return caught.value


async def test_a_request_goes_below_the_path_of_the_base_url() -> None:
    with FakeUpstream([json_reply({})]) as fake:
        async with connected(f"{fake.url}/api") as upstream:
            (await upstream.send(REQUEST)).close()

    assert [seen.target for seen in fake.requests] == ["/api/v1/messages"]


async def test_nothing_is_added_but_what_the_connection_needs() -> None:
    with FakeUpstream([json_reply({})]) as fake:
        async with connected(fake.url) as upstream:
            (await upstream.send(REQUEST)).close()

    names = {name.lower() for name, _ in fake.requests[0].headers}
    assert names == {"host", "accept-encoding", "content-length"}


async def test_no_upstream_is_unreachable() -> None:
    with FakeUpstream() as gone:
        url = gone.url

    error = await failure(url)

    assert isinstance(error, UpstreamUnreachableError)
    assert "no connection (" in str(error)


async def failure_after(sent: bytes, *, scheme: str = "http") -> UpstreamError:
    """
    Ask a server that says this to whatever it hears, and closes.
    """

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(sent)
        writer.close()

    async with await start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await failure(f"{scheme}://127.0.0.1:{port}")


async def test_tls_to_a_port_without_it_is_explained() -> None:
    error = await failure_after(b"HTTP/1.1 400 Bad Request\r\n\r\n", scheme="https")

    assert "does it speak https?" in str(error)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(b"", "closed the connection without an answer", id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", "what it sent is no HTTP", id="no-http"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "what it sent is no HTTP",
            id="no-length",
        ),
    ],
)
async def test_an_answer_that_is_none_is_explained(sent: bytes, reason: str) -> None:
    error = await failure_after(sent)

    assert reason in str(error)
    assert isinstance(error, UpstreamUnreachableError)


async def test_an_upstream_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = await failure(url, idle_limit_ns=20 * MS)

    assert isinstance(error, UpstreamTimeoutError)
    assert "did not answer in 0.02 s" in str(error)


async def test_a_proxy_in_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with FakeUpstream(profile=INSTANT) as fake:
        async with connected(fake.url) as upstream:
            response = await upstream.send(REQUEST)
            response.close()

    assert len(fake.requests) == 1
