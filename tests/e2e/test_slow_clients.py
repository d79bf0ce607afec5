"""A client that reads slowly, or not at all, loses nothing and blocks nobody."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import (
    CHUNKED_HEAD,
    Answer,
    Ending,
    ask,
    authority,
    chunk,
    connect,
    listen,
    raw_request,
    read_answer,
    url_of,
)
from streamtape.testing import FakeUpstream, ReplyEnding, raw_reply

EVENT = b"data: " + b"x " * 10_000 + b"\n\n"
BULKY = EVENT * 800
"""More than two systems hold between them when nobody reads."""

MOST_EVENTS = 3200
"""More than four systems do."""


def get(base_url: str) -> bytes:
    return raw_request(base_url, "GET /v1/x HTTP/1.1")


def send_until_full(upstream: socket.socket) -> int:
    """Send events until nobody takes any more; returns how many were sent whole."""
    upstream.settimeout(0.2)
    for sent in range(MOST_EVENTS):
        try:
            upstream.sendall(chunk(EVENT))
        except TimeoutError:
            return sent
    pytest.fail("everything is taken although nobody reads")


@pytest.mark.case(57)
def test_a_client_that_does_not_read_stops_the_upstream(tmp_path: Path) -> None:
    """The proxy doesn't take what it can't hand on; and it can be stopped."""
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(get(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.sendall(CHUNKED_HEAD)
            send_until_full(served)
            recording.stop()

    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"
    assert streamtape.open(part).ending.reason == "shutdown"


@pytest.mark.case(57)
def test_a_client_that_reads_late_gets_everything(tmp_path: Path) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(get(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.sendall(CHUNKED_HEAD)
            sent = send_until_full(served)
            # The event that got stuck was sent in part; the client breaks off in it.
            served.shutdown(socket.SHUT_WR)
            answer = read_answer(client)

    assert answer.ending is Ending.CLOSED
    assert answer.body.startswith(EVENT * sent)
    (cassette,) = read_library(tmp_path)
    assert cassette.body == answer.body


@pytest.mark.case(57)
def test_a_replay_waits_for_a_client_that_reads_late(tmp_path: Path) -> None:
    """Another client is answered in the meantime."""
    with (
        FakeUpstream([raw_reply(BULKY)]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask(recording.base_url, method="GET", target="/v1/x")
    with (
        streamtape.replay(tmp_path, speed="instant") as replay,
        connect(replay.base_url) as client,
    ):
        client.sendall(get(replay.base_url))
        assert client.recv(1, socket.MSG_PEEK)
        other = ask(replay.base_url, method="GET", target="/v1/x")
        answer = read_answer(client)

    assert other.body == BULKY
    assert (answer.body, answer.ending) == (BULKY, Ending.WHOLE)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems can't tell")
def test_a_reset_comes_after_all_that_was_sent(tmp_path: Path) -> None:
    """A reset throws away what a slow client's system has not taken yet."""
    body = EVENT * 10
    with (
        FakeUpstream([raw_reply(body, ending=ReplyEnding.RESET)]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        recorded = ask_slowly(recording.base_url)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = ask_slowly(replay.base_url)

    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "upstream_reset"
    for answer in (recorded, replayed):
        assert answer.body == cassette.body
        assert answer.ending is Ending.RESET


def ask_slowly(base_url: str) -> Answer:
    """Ask as a client whose system takes hardly anything in advance."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        host, _, port = authority(base_url).partition(":")
        client.connect((host, int(port)))
        client.sendall(get(base_url))
        return read_answer(client)


def test_a_stopped_replay_breaks_off(tmp_path: Path) -> None:
    with (
        FakeUpstream([raw_reply(BULKY)]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask(recording.base_url, method="GET", target="/v1/x")
    with (
        streamtape.replay(tmp_path, speed="instant") as replay,
        connect(replay.base_url) as client,
    ):
        client.sendall(get(replay.base_url))
        assert client.recv(1, socket.MSG_PEEK)
        replay.stop()
        answer = read_answer(client)

    assert answer.ending is not Ending.WHOLE
    assert BULKY.startswith(answer.body)
