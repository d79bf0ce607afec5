"""Requests in every form that HTTP allows reach the upstream as they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import streamtape
from e2e.wire import Ending, ask, ask_raw, connect, raw_request, read_answer
from streamtape.server.server import RunningServer
from streamtape.testing import INSTANT, FakeUpstream, default_answers

BODY = '{"messages":[{"role":"user","content":"Hello"}]}'


def test_a_chunked_body_arrives_whole(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (BODY[:7], BODY[7:]))
    sent = raw_request(
        proxy.base_url,
        "POST /v1/messages HTTP/1.1",
        "Transfer-Encoding: chunked",
        body=chunks + "0\r\n\r\n",
    )

    assert ask_raw(proxy.base_url, sent).status == 200
    (seen,) = upstream.requests
    assert seen.body == BODY.encode()
    assert seen.header("transfer-encoding") is None


def test_a_chunked_body_is_the_same_request(
    proxy: RunningServer, tmp_path: Path
) -> None:
    ask(proxy.base_url, body=BODY.encode())
    proxy.stop()

    with streamtape.replay(tmp_path) as replay:
        sent = raw_request(
            replay.base_url,
            "POST /v1/messages HTTP/1.1",
            "Transfer-Encoding: chunked",
            body=f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n",
        )
        assert ask_raw(replay.base_url, sent).header("x-streamtape") == "replayed"


def test_a_client_that_asks_before_it_sends_its_body_is_told_to(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    with connect(proxy.base_url) as client:
        client.sendall(
            raw_request(
                proxy.base_url,
                "POST /v1/messages HTTP/1.1",
                f"Content-Length: {len(BODY)}",
                "Expect: 100-continue",
            )
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(BODY.encode())
        answer = read_answer(client)

    assert answer.status == 200
    (seen,) = upstream.requests
    assert (seen.body, seen.header("expect")) == (BODY.encode(), None)


def test_a_client_that_asks_first_is_not_told_to_send_too_much(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    sent = raw_request(
        proxy.base_url,
        "POST /v1/messages HTTP/1.1",
        "Content-Length: 10001",
        "Expect: 100-continue",
    )
    with connect(proxy.base_url) as client:
        client.sendall(sent)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert upstream.requests == []


def test_a_client_of_http_1_0_is_not_told_to_go_on(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    sent = raw_request(
        proxy.base_url,
        "POST /v1/messages HTTP/1.0",
        f"Content-Length: {len(BODY)}",
        "Expect: 100-continue",
        body=BODY,
    )

    assert ask_raw(proxy.base_url, sent).status == 200
    assert len(upstream.requests) == 1


def test_a_client_of_http_1_0_gets_a_body_without_chunks(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    sent = raw_request(
        proxy.base_url,
        "POST /v1/messages HTTP/1.0",
        f"Content-Length: {len(BODY)}",
        body=BODY,
    )
    answer = ask_raw(proxy.base_url, sent)

    expected = default_answers(upstream.requests[0], profile=INSTANT)
    assert answer.header("transfer-encoding") is None
    assert (answer.body, answer.ending) == (expected.body, Ending.WHOLE)


def test_a_connection_carries_several_requests(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    """Sent in one go; the answers come in the order of the requests."""
    first = raw_request(proxy.base_url, "GET /v1/models/claude-demo HTTP/1.1")
    second = raw_request(proxy.base_url, "GET /v1/models HTTP/1.1")
    with connect(proxy.base_url) as client:
        client.sendall(first.replace(b"Connection: close\r\n", b"") + second)
        received = b""
        while data := client.recv(1 << 16):
            received += data

    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert [seen.target for seen in upstream.requests] == [
        "/v1/models/claude-demo",
        "/v1/models",
    ]


def test_a_compressed_request_is_passed_on_as_it_is(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    packed = gzip.compress(BODY.encode())

    ask(proxy.base_url, headers=(("Content-Encoding", "gzip"),), body=packed)

    (seen,) = upstream.requests
    assert (seen.body, seen.header("content-encoding")) == (packed, "gzip")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models?a%5B%5D=1&b=%20&c=a+b&d=:/@",
        "/v1/models/gemini:streamGenerateContent?alt=sse",
        "/v1/models/%C3%BC%2Fx",
        "/",
    ],
)
def test_a_target_goes_upstream_as_it_was_written(
    proxy: RunningServer, upstream: FakeUpstream, target: str
) -> None:
    ask(proxy.base_url, method="GET", target=target)

    assert [seen.target for seen in upstream.requests] == [target]
