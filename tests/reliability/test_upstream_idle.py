"""Every request gets its own answer, whatever an upstream says between two of them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import connect, listen, raw_request, read_answer, url_of
from streamtape.server.server import RunningServer

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
STRAY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"


def ask_through(
    recording: RunningServer, method: str, served: socket.socket, body: bytes
) -> bytes:
    """Ask over a connection that the upstream has accepted, which answers the body."""
    with connect(recording.base_url) as client:
        client.sendall(
            raw_request(
                recording.base_url, f"{method} /v1/x HTTP/1.1", "Content-Length: 0"
            )
        )
        assert b"\r\n\r\n" in served.recv(1 << 16)
        served.sendall(ANSWER + body)
        return read_answer(client).body


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(STRAY, id="an-answer"),
        pytest.param(STRAY + STRAY, id="two-answers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="go-on"),
    ],
)
@pytest.mark.parametrize("comes_with", [True, False], ids=["same-read", "later"])
def test_what_nobody_asked_for_answers_nothing(
    said: bytes, method: str, comes_with: bool, tmp_path: Path
) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        request = raw_request(
            recording.base_url, f"{method} /v1/first HTTP/1.1", "Content-Length: 0"
        )
        client.sendall(request)
        first, _ = upstream.accept()
        with first:
            assert b"\r\n\r\n" in first.recv(1 << 16)
            first.sendall(ANSWER + b"1." + (said if comes_with else b""))
            assert read_answer(client).body == b"1."
            if not comes_with:
                first.sendall(said)
            with connect(recording.base_url) as other:
                other.sendall(request.replace(b"first", b"second"))
                second, _ = upstream.accept()
                with second:
                    assert b"\r\n\r\n" in second.recv(1 << 16)
                    second.sendall(ANSWER + b"2.")
                    assert read_answer(other).body == b"2."
            # The connection that could not be trusted was closed.
            first.settimeout(10)
            assert first.recv(1) == b""

    bodies = {tape.request.target: tape.body for tape in read_library(tmp_path)}
    assert bodies == {"/v1/first": b"1.", "/v1/second": b"2."}


def test_a_connection_on_which_nothing_was_said_is_used_again(tmp_path: Path) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
        served, _ = upstream.accept()
        with served:
            assert b"\r\n\r\n" in served.recv(1 << 16)
            served.sendall(ANSWER + b"1.")
            assert read_answer(client).body == b"1."
            for number in (b"2.", b"3."):
                assert ask_through(recording, "POST", served, number) == number


def test_a_connection_that_was_closed_while_idle_is_not_used(tmp_path: Path) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
        served, _ = upstream.accept()
        with served:
            assert b"\r\n\r\n" in served.recv(1 << 16)
            served.sendall(ANSWER + b"1.")
            assert read_answer(client).body == b"1."
        with connect(recording.base_url) as other:
            other.sendall(raw_request(recording.base_url, "POST /v1/x HTTP/1.1"))
            served, _ = upstream.accept()
            with served:
                assert b"\r\n\r\n" in served.recv(1 << 16)
                served.sendall(ANSWER + b"2.")
                assert read_answer(other).body == b"2."
