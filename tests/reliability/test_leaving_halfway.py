"""A client that closes its side behind its request gets the answer all the same."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import streamtape
from e2e.processes import wait_until
from e2e.wire import (
    CHUNKED_HEAD,
    CONTINUE,
    Answer,
    Ending,
    chunk,
    connect,
    listen,
    raw_request,
    read_answer,
    url_of,
)
from streamtape.testing import (
    FakeUpstream,
    Profile,
    ReplyEnding,
    raw_reply,
    stream_reply,
    text,
)

MS = 1_000_000
REPLY = stream_reply(text("Grüße aus Zürich"), profile=Profile(ttft_ns=50 * MS))


def ask_and_close(base_url: str, *, rest: bytes = b"") -> Answer:
    """
    Ask, and say that no more will come.

    Args:
        rest: What is sent of the request's body apart from its head.
    """
    line = "POST /v1/messages HTTP/1.1"
    with connect(base_url) as client:
        client.sendall(raw_request(base_url, line, f"Content-Length: {len(rest)}"))
        if rest:
            client.sendall(rest)
        client.shutdown(socket.SHUT_WR)
        return read_answer(client)


@pytest.mark.case(65)
@pytest.mark.parametrize("rest", [b"", b'{"stream": true}'], ids=["no-body", "a-body"])
def test_a_half_closed_client_gets_its_answer(rest: bytes, tmp_path: Path) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        recorded = ask_and_close(recording.base_url, rest=rest)
    with streamtape.replay(tmp_path) as replay:
        replayed = ask_and_close(replay.base_url, rest=rest)

    for answer in (recorded, replayed):
        assert (answer.status, answer.body) == (200, REPLY.body)
        assert answer.ending is Ending.WHOLE
    assert recording.summary.counts == {"recorded": 1}


@pytest.mark.case(65)
def test_a_half_closed_client_may_wait_long_for_the_beginning(tmp_path: Path) -> None:
    """It is told every second to go on waiting; one that had left would say so."""
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
        client.shutdown(socket.SHUT_WR)
        served, _ = upstream.accept()
        with served:
            for _ in range(2):
                assert client.recv(len(CONTINUE), socket.MSG_WAITALL) == CONTINUE
            served.sendall(CHUNKED_HEAD + chunk(b"data: a\n\n") + chunk(b""))
            answer = read_answer(client)

    assert (answer.status, answer.body) == (200, b"data: a\n\n")
    assert answer.ending is Ending.WHOLE
    assert recording.summary.counts == {"recorded": 1}


@pytest.mark.case(65)
def test_one_that_knows_no_interim_answers_is_sent_none(tmp_path: Path) -> None:
    reply = stream_reply(text("Hi"), profile=Profile(ttft_ns=2200 * MS))
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.0"))
        client.shutdown(socket.SHUT_WR)
        received = client.recv(1 << 16)
        answer = read_answer(client, received)

    assert received.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.body == reply.body


@pytest.mark.case(65)
def test_half_a_request_gets_no_answer_and_holds_nothing_up(tmp_path: Path) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        for sent in (b"", b"POST /v1/x HT"):
            with connect(recording.base_url) as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
        with connect(recording.base_url) as client:
            line = "POST /v1/x HTTP/1.1"
            client.sendall(raw_request(recording.base_url, line, "Content-Length: 9"))
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""

    assert upstream.requests == []


@pytest.mark.case(56)
def test_a_client_that_leaves_behind_the_head_is_gone(tmp_path: Path) -> None:
    reply = raw_reply(b"data: a\n\n", ending=ReplyEnding.STALL)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        with connect(recording.base_url) as client:
            client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
            assert client.recv(1, socket.MSG_PEEK)
        assert upstream.wait_for_departure(10)


@pytest.mark.case(56)
def test_a_client_that_leaves_before_the_head_is_gone_soon(tmp_path: Path) -> None:
    """It looks like one that waits, until it is told to go on."""
    reply = stream_reply(text("Hi"), profile=Profile(ttft_ns=3600 * 10**9))
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        with connect(recording.base_url) as client:
            client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
            wait_until(lambda: bool(upstream.requests), "nobody asks")
        assert recording.scopes.get("").running.wait(10)
    assert list(tmp_path.iterdir()) == []
