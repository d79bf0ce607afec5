"""
Framing that breaks in the body ends the answer soon, with all that came before.

aiohttp's own reader would wait for ever: its parser closes the connection and does
not tell it.
"""

from __future__ import annotations

import gzip
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trustme

import streamtape
from e2e.processes import Program
from e2e.runs import read_library
from e2e.wire import (
    CHUNKED_HEAD,
    Answer,
    Ending,
    ask_raw,
    chunk,
    connect,
    listen,
    raw_request,
    read_answer,
    url_of,
)
from streamtape.testing import message_stream, text

EVENTS = message_stream(text("Grüße aus Zürich"))
BETWEEN = b"".join(EVENTS[:3])
BULKY = b"data: " + b"x " * 10_000 + b"\n\n"
BOUND_S: Final = 15
"""How soon a client has to see the end."""

BREAKS = [
    pytest.param(b"zz\r\n", id="no-number"),
    pytest.param(b"-5\r\n", id="negative"),
    pytest.param(b"ffffffffffffffffff\r\nabc", id="endless"),
    pytest.param(b"\r\n", id="nothing"),
    pytest.param(b"5\nabcde\r\n", id="a-bare-line-feed"),
    pytest.param(b"3\r\nabcdef\r\n", id="longer-than-said"),
    pytest.param(b"0\r\nnot a trailer\r\n\r\n", id="in-the-trailer"),
    pytest.param(b"\0" * 100, id="zeros"),
]


def get(base_url: str) -> bytes:
    return raw_request(base_url, "GET /v1/x HTTP/1.1")


def receive_until(client: socket.socket, expected: bytes) -> bytes:
    received = b""
    while expected not in received:
        data = client.recv(1 << 16)
        assert data
        received += data
    return received


def record(
    folder: Path,
    send: Callable[[socket.socket, socket.socket], bytes],
    head: bytes = CHUNKED_HEAD,
) -> Answer:
    """
    Record one answer, whose connection the upstream leaves open.

    Args:
        send: Gets the upstream's connection and the client's, when the head has
            reached the client; returns what was read at the client.
    """
    with (
        listen() as upstream,
        streamtape.record(folder, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.settimeout(BOUND_S)
        client.sendall(get(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.sendall(head)
            received = receive_until(client, b"\r\n\r\n")
            received += send(served, client)
            return read_answer(client, received)


def replay(folder: Path) -> Answer:
    with streamtape.replay(folder, speed="instant") as server:
        return ask_raw(server.base_url, get(server.base_url))


@pytest.mark.case(41)
@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("is_apart", [True, False], ids=["apart", "same-read"])
def test_a_bad_chunk_ends_the_answer_behind_the_good_ones(
    broken: bytes, is_apart: bool, tmp_path: Path
) -> None:
    def send(served: socket.socket, client: socket.socket) -> bytes:
        if not is_apart:
            served.sendall(chunk(BETWEEN) + broken)
            return b""
        served.sendall(chunk(BETWEEN))
        received = receive_until(client, BETWEEN)
        served.sendall(broken)
        return received

    recorded = record(tmp_path, send)

    (cassette,) = read_library(tmp_path)
    for answer in (recorded, replay(tmp_path)):
        assert answer.ending is Ending.CLOSED
        assert answer.body == cassette.body
    # What a parser took of the broken chunk may be there, too.
    assert cassette.body.startswith(BETWEEN)
    assert cassette.ending.reason == "upstream_cut"
    assert cassette.ending.detail == "the framing of the body is broken"


@pytest.mark.case(41)
def test_a_bad_chunk_behind_a_pause_ends_the_answer(tmp_path: Path) -> None:
    """The client reads nothing until the upstream is held up, and then everything."""
    sent = 0

    def send(served: socket.socket, client: socket.socket) -> bytes:
        nonlocal sent
        served.settimeout(0.2)
        stuck = chunk(BULKY)
        try:
            while True:
                left = stuck
                while left:
                    left = left[served.send(left) :]
                sent += 1
        except TimeoutError:
            served.settimeout(BOUND_S)
        received = b""
        client.setblocking(False)
        while left:
            # What got stuck goes out as the client reads.
            try:
                received += client.recv(1 << 16)
            except BlockingIOError:
                left = left[served.send(left) :]
        client.settimeout(BOUND_S)
        served.sendall(b"zz\r\n")
        return received

    recorded = record(tmp_path, send)

    assert (recorded.body, recorded.ending) == (BULKY * (sent + 1), Ending.CLOSED)
    (cassette,) = read_library(tmp_path)
    assert cassette.body == recorded.body
    assert cassette.ending.detail == "the framing of the body is broken"


@pytest.mark.case(41)
def test_a_bad_chunk_of_a_compressed_body_ends_the_answer(tmp_path: Path) -> None:
    head = CHUNKED_HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    encoded = gzip.compress(BETWEEN)

    def send(served: socket.socket, client: socket.socket) -> bytes:
        served.sendall(chunk(encoded) + b"zz\r\n")
        return b""

    recorded = record(tmp_path, send, head)

    for answer in (recorded, replay(tmp_path)):
        assert (answer.body, answer.ending) == (BETWEEN, Ending.CLOSED)


@pytest.mark.case(41)
def test_a_bad_chunk_in_the_read_of_the_head_is_no_answer_at_all(
    tmp_path: Path,
) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.settimeout(BOUND_S)
        client.sendall(get(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.sendall(CHUNKED_HEAD + chunk(BETWEEN) + b"zz\r\n")
            answer = read_answer(client)

    assert (answer.status, answer.ending) == (502, Ending.WHOLE)
    assert b"what it sent is no HTTP" in answer.body
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case(41)
def test_a_bad_chunk_over_tls_ends_the_answer(tmp_path: Path) -> None:
    authority = trustme.CA()
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    folder = tmp_path / "cassettes"
    with listen() as upstream:
        url = url_of(upstream).replace("http:", "https:")
        where = ("--upstream", url, "--cassettes", folder, "--port", "0")
        environment = {"SSL_CERT_FILE": str(trusted)}
        with (
            Program("record", *where, env=environment) as recorder,
            connect(recorder.base_url) as client,
        ):
            client.settimeout(BOUND_S)
            client.sendall(get(recorder.base_url))
            with tls.wrap_socket(upstream.accept()[0], server_side=True) as served:
                served.sendall(CHUNKED_HEAD)
                received = receive_until(client, b"\r\n\r\n")
                served.sendall(chunk(BETWEEN) + b"zz\r\n")
                recorded = read_answer(client, received)
            recorder.stop(signal.SIGTERM)

    for answer in (recorded, replay(folder)):
        assert (answer.body, answer.ending) == (BETWEEN, Ending.CLOSED)
    (cassette,) = read_library(folder)
    assert cassette.ending.reason == "upstream_cut"


@pytest.mark.parametrize("size", [1, 3])
def test_many_tiny_chunks_are_all_handed_on(size: int, tmp_path: Path) -> None:
    """
    aiohttp holds some of them back; nothing may wait for the upstream's next word.
    """
    body = b"".join(b"data: %d\n\n" % number for number in range(3000))
    pieces = [body[i : i + size] for i in range(0, len(body), size)]

    def send(served: socket.socket, client: socket.socket) -> bytes:
        served.sendall(b"".join(map(chunk, pieces)))
        received = receive_until(client, b"2999")
        served.sendall(chunk(b""))
        return received

    recorded = record(tmp_path, send)

    for answer in (recorded, replay(tmp_path)):
        assert (answer.body, answer.ending) == (body, Ending.WHOLE)
