from __future__ import annotations

import socket
from asyncio import IncompleteReadError, StreamReader, StreamWriter, start_server
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import ClientOSError, ClientPayloadError

from streamtape.core.model import EndReason, Request
from streamtape.errors import (
    UpstreamError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from streamtape.server.upstream.client import Upstream, reason_of
from streamtape.testing import INSTANT, FakeClock, FakeUpstream, json_reply

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
    base_url: str, clock: FakeClock | None = None, *, idle_limit_ns: int = 10_000 * MS
) -> AsyncIterator[Upstream]:
    upstream = Upstream(base_url, clock or FakeClock(), idle_limit_ns=idle_limit_ns)
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
    """Ask a server that says this to whatever it hears, and closes."""

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


LARGE = 64 * 1024 * 1024
"""More bytes than the system holds of a connection on their way."""


@asynccontextmanager
async def answering(
    clock: FakeClock, *, reads: Sequence[tuple[int, int]]
) -> AsyncIterator[Upstream]:
    """
    Give the upstream of a server that answers each request behind its reads.

    Args:
        reads: What it reads of the body: how many bytes, and the time to which the
            clock moves behind that.
    """

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for size, at_ns in reads:
                    await reader.readexactly(size)
                    clock.advance_to_ns(clock.now_ns() + at_ns)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"http://127.0.0.1:{port}", clock) as upstream:
            yield upstream


async def times(upstream: Upstream, body: bytes) -> tuple[int, int]:
    """Ask; returns when the last byte was sent and when the head had come."""
    request = Request(method="POST", target="/v1/messages", body=body)
    response = await upstream.send(request)
    response.close()
    return response.sent_ns, response.arrived_ns


async def test_an_answer_takes_from_the_last_byte_of_the_request_to_its_head() -> None:
    """A connection that was used before counts nothing of what came before."""
    clock = FakeClock(100)
    async with answering(clock, reads=[(2, 50)]) as upstream:
        first = await times(upstream, b"{}")
        clock.advance_to_ns(1000)
        second = await times(upstream, b"{}")

    assert (first, second) == ((100, 150), (1000, 1050))


async def test_the_time_in_which_a_large_body_is_sent_is_not_the_answers() -> None:
    """Its last bytes can't be handed over before the upstream has read the first."""
    clock = FakeClock()
    reads = [(0, 70), (LARGE, 5)]
    async with answering(clock, reads=reads) as upstream:
        assert await times(upstream, bytes(LARGE)) == (70, 75)


async def test_an_answer_that_comes_early_is_not_there_before_the_request() -> None:
    """It counts from the last byte that was sent before it."""
    clock = FakeClock()
    async with answering(clock, reads=[(0, 70)]) as upstream:
        sent_ns, arrived_ns = await times(upstream, bytes(LARGE))

    assert 0 <= sent_ns <= arrived_ns == 70
