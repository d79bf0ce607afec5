"""
Requests that are no HTTP, or too much of it: refused in the API's shape or cut off,
never forwarded, and nothing of them is repeated anywhere.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import KEY, body
from e2e.processes import Program, start_recorder, start_replay
from e2e.wire import ask, authority, connect
from proofs import Trials
from reliability.spellings import spell
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text
from usage import MIB

OVER: Final = 32 * MIB + 1
REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)

POST: Final = f"POST /v1/messages?api_key={KEY} HTTP/1.1"
HELLO: Final = bytes.fromhex("16030100c8010000c40303") + KEY.encode()
"""A client of TLS, which names the host that it wants: here it names a key."""


def head(line: str, *headers: str) -> bytes:
    """Write the head of a request with a key in it."""
    lines = [line, "Host: {host}", f"x-api-key: {KEY}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def without_host(line: str) -> bytes:
    return f"{line}\r\nx-api-key: {KEY}\r\n\r\n".encode()


KINDS: Final[dict[str, bytes]] = {
    "no Host": without_host(POST),
    "no Host in HTTP/1.0": without_host(POST.replace("1.1", "1.0")),
    "two Hosts": head(POST, "Host: {host}"),
    "length and chunks": head(POST, "Content-Length: 5", "Transfer-Encoding: chunked")
    + b"0\r\n\r\n",
    "two lengths": head(POST, "Content-Length: 2", "Content-Length: 3") + b"{} ",
    "the same length twice": head(POST, "Content-Length: 2", "Content-Length: 2")
    + b"{}",
    "a list of lengths": head(POST, "Content-Length: 2, 2") + b"{}",
    "length with a plus": head(POST, "Content-Length: +2") + b"{}",
    "negative length": head(POST, "Content-Length: -2") + b"{}",
    "length in hex": head(POST, "Content-Length: 0x2") + b"{}",
    "endless length": head(POST, f"Content-Length: {'9' * 30}") + b"{}",
    "unknown coding": head(POST, "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "gzip before chunks": head(POST, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunks before gzip": head(POST, "Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "chunk without a size": head(POST, "Transfer-Encoding: chunked")
    + f"{KEY}\r\n".encode(),
    "chunk of endless size": head(POST, "Transfer-Encoding: chunked")
    + b"f" * 30
    + b"\r\n",
    "chunk longer than said": head(POST, "Transfer-Encoding: chunked")
    + f"2\r\n{{}}{KEY}\r\n".encode(),
    "line feeds alone": head(POST).replace(b"\r\n", b"\n"),
    "NUL in the path": head(POST.replace("?", "\0?")),
    "NUL in a header": head(POST, f"x-api-key: {KEY}\0"),
    "carriage return in a header": head(POST, f"x-a: {KEY}\rx-b: 1"),
    "folded header": head(POST, f"x-a: 1\r\n  {KEY}"),
    "blank before the colon": head(POST, f"x-api-key : {KEY}"),
    "no name": head(POST, f": {KEY}"),
    "no colon": head(POST, KEY),
    "HTTP/3.7": head(POST.replace("1.1", "3.7")),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + KEY.encode(),
    "TLS": HELLO,
    "no HTTP at all": f"{KEY}\r\n\r\n".encode(),
    "three blanks": f"   {KEY}\r\n\r\n".encode(),
    "a method in lower case": head(POST.replace("POST", "post")),
    "an unknown method": head(POST.replace("POST", KEY)),
    "no version": head(POST.replace(" HTTP/1.1", "")),
    "long path": head(f"GET /v1/{'x' * 9000}?key={KEY} HTTP/1.1"),
    "long header": head(POST, f"x-a: {'x' * 9000}{KEY}"),
    "long name": head(POST, f"{'x' * 9000}{KEY}: 1"),
    "140 headers": head(POST, *(f"x-{n}: {KEY}" for n in range(140))),
    "a head without end": f"{POST}\r\nx: ".encode() + b"x" * 100_000,
    "unknown expectation": head(POST, "Expect: banana", "Content-Length: 0"),
    "body over the limit": head(POST, f"Content-Length: {OVER}") + KEY.encode(),
    "CONNECT": head("CONNECT api.anthropic.com:443 HTTP/1.1"),
    "a star": head("OPTIONS * HTTP/1.1"),
    "absolute": head(f"GET http://{KEY}.example/ HTTP/1.1"),
    "body cut short": head(POST, "Content-Length: 99") + b"{",
}


def interaction(base_url: str, sent: bytes) -> bytes:
    """
    Send these bytes and no more, and return all that comes until the connection ends.
    """
    received = b""
    with connect(base_url) as client:
        try:
            client.sendall(sent.replace(b"{host}", authority(base_url).encode()))
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(1 << 16):
                received += data
        except (BrokenPipeError, ConnectionResetError):
            pass
    return received


def faults_in(received: bytes) -> list[str]:
    """Say what is wrong with what came: it has to be an error of ours, or nothing."""
    if not received:
        return []
    answer_head, _, told = received.partition(b"\r\n\r\n")
    found = []
    if answer_head.split()[1][:1] != b"4":
        found.append(answer_head.split(b"\r\n")[0].decode())
    elif json.loads(told)["type"] != "error":
        found.append("another body")
    found += ["the key" for each in spell(KEY) if each.encode() in received]
    return found


def try_all(base_url: str, trials: Trials) -> list[str]:
    """Send each kind, and a normal request behind it; return what went wrong."""
    found = []
    for name, sent in KINDS.items():
        trials.ran += 1
        faults = faults_in(interaction(base_url, sent))
        answer = ask(base_url, body=body("hello"))
        if answer.body != REPLY.body:
            faults.append(f"the next request: {answer.status}")
        trials.leaked += "the key" in faults
        found += [f"{name}: {each}" for each in faults]
    trials.wrong += len(found)
    return found


def check_silent(program: Program, trials: Trials) -> None:
    """Stop a program, which has said nothing of what it was sent, nor at length."""
    end = program.stop()
    trials.leaked += sum(each in end.stderr + end.stdout for each in spell(KEY))
    assert trials.leaked == 0, end.stderr
    assert end.status == 0
    # A line each, twice at most, and none for developers: `stop` has looked.
    assert len(end.stderr.splitlines()) < 4 * len(KINDS)


@pytest.mark.case(61)
def test_a_recorder_bears_malformed_requests(tmp_path: Path, trials: Trials) -> None:
    assert len(KINDS) >= 26
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        found = try_all(recorder.base_url, trials)
        check_silent(recorder, trials)

    assert found == []
    assert [seen.body for seen in upstream.requests] == [body("hello")] * len(KINDS)
    assert {path.suffix for path in tmp_path.iterdir()} == {".tape"}


@pytest.mark.case(61)
def test_a_replay_bears_malformed_requests(tmp_path: Path, trials: Trials) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as proxy,
    ):
        ask(proxy.base_url, body=body("hello"))
    before = sorted(path.name for path in tmp_path.iterdir())
    with start_replay(tmp_path) as replay:
        found = try_all(replay.base_url, trials)
        check_silent(replay, trials)

    assert found == []
    assert sorted(path.name for path in tmp_path.iterdir()) == before
