"""
What a recording must not do: take a good cassette's place, or smuggle an answer in.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import streamtape
from e2e.listening import body, stalling_reply
from e2e.wire import ask, authority, connect, read_answer
from streamtape.core.model import Request
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text
from taping import write_tape


def ask_for(base_url: str, prompt: str) -> socket.socket:
    sent = body(prompt)
    connection = connect(base_url)
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: {authority(base_url)}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


def test_a_client_that_leaves_early_does_not_cost_a_complete_cassette(
    tmp_path: Path,
) -> None:
    whole = stream_reply(text("Hello."), profile=INSTANT)
    tallies = []
    for reply in (whole, stalling_reply(2)):
        with (
            FakeUpstream([reply]) as upstream,
            streamtape.record(tmp_path, upstream=upstream.url) as proxy,
        ):
            with ask_for(proxy.base_url, "Hi") as connection:
                if reply is whole:
                    read_answer(connection)
                else:
                    connection.recv(1)
            if reply is not whole:
                assert upstream.wait_for_departure()
        tallies.append(proxy.summary.counts)

    [path] = tmp_path.glob("*.tape")
    assert streamtape.open(path).ending.is_complete
    [left] = tmp_path.glob("*.part")
    assert streamtape.open(left).ending.reason == "client_gone"
    assert tallies == [{"recorded": 1}, {"unfinished": 1}]


def test_a_recording_that_cannot_get_its_name_counts_as_lost(tmp_path: Path) -> None:
    folder = tmp_path / "cassettes"
    with (
        FakeUpstream([stalling_reply(2)]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as proxy,
    ):
        with ask_for(proxy.base_url, "Hi") as connection:
            connection.recv(1)
            # The head is sent before the file is made, within one turn of the loop.
            ask(proxy.base_url, method="GET", target="/_streamtape/health")
            shutil.rmtree(folder)
        assert upstream.wait_for_departure()

    assert proxy.summary.counts == {"lost": 1}


def test_the_body_of_an_answer_that_has_none_is_not_sent(tmp_path: Path) -> None:
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!"
    asked = Request(method="GET", target="/v1/models")
    write_tape(tmp_path, [(1, smuggled)], request=asked, status=204, headers=())
    with streamtape.replay(tmp_path, speed="instant") as server:
        host = f"Host: {authority(server.base_url)}\r\n\r\n"
        with connect(server.base_url) as connection:
            connection.sendall(f"GET /v1/models HTTP/1.1\r\n{host}".encode())
            got = connection.recv(65536)
            ask_close = "GET /_streamtape/health HTTP/1.1\r\nConnection: close\r\n"
            connection.sendall((ask_close + host).encode())
            while chunk := connection.recv(65536):
                got += chunk

    assert b"EVIL!" not in got
    assert b'"status": "ok"' in got


def test_an_http_1_0_client_is_told_the_end_by_the_end_of_the_connection(
    tmp_path: Path,
) -> None:
    asked = Request(method="GET", target="/v1/models")
    write_tape(tmp_path, [(1, b"hello")], request=asked, headers=())
    with streamtape.replay(tmp_path, speed="instant") as server:
        host = f"Host: {authority(server.base_url)}\r\n"
        with connect(server.base_url) as connection:
            line = "GET /v1/models HTTP/1.0\r\nConnection: keep-alive\r\n"
            connection.sendall(f"{line}{host}\r\n".encode())
            got = b""
            while chunk := connection.recv(65536):
                got += chunk

    assert got.endswith(b"\r\n\r\nhello")
