"""Odd answers of an upstream: each has an end that is true, and the same in replay."""

from __future__ import annotations

import logging
import socket
import struct
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.runs import read_library, run_thrice
from e2e.wire import (
    Answer,
    Ending,
    ask,
    connect,
    listen,
    raw_request,
    read_answer,
    url_of,
)
from proofs import Trials
from streamtape.core.model import Headers
from streamtape.testing import (
    FakeUpstream,
    Framing,
    Reply,
    ReplyEnding,
    error_event,
    error_reply,
    json_reply,
    message_stream,
    raw_reply,
    text,
)
from taping import ASKED, hello, write_tape

KEY: Final = "sk-ant-api03-a-key-that-must-not-be-told"
OWN_HEADERS: Final = (("x-api-key", KEY), ("authorization", f"Bearer {KEY}"))
MOST_BYTES: Final = 8190
"""Longest line of a head that is taken."""


def post(base_url: str) -> Answer:
    return ask(base_url, headers=OWN_HEADERS, body=b'{"stream": true}')


def ask_one_that_says(said: bytes | None, folder: Path) -> tuple[str, Answer]:
    """
    Record an answer of raw bytes; returns the upstream's URL, too.

    Args:
        said: All that comes before the end; None for a reset.
    """
    with (
        listen() as upstream,
        streamtape.record(folder, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        lines = [f"{name}: {value}" for name, value in OWN_HEADERS]
        client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1", *lines))
        served, _ = upstream.accept()
        with served:
            served.recv(1 << 16)
            if said is None:
                linger = struct.pack("ii", 1, 0)
                served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                served.close()
            else:
                served.sendall(said)
                served.shutdown(socket.SHUT_WR)
            return url_of(upstream), read_answer(client)


def check_refusal(answer: Answer, host: str, log: str, folder: Path) -> None:
    assert (answer.status, answer.ending) == (502, Ending.WHOLE)
    assert b'"type": "api_error"' in answer.body
    assert answer.header("x-should-retry") is None
    for told in (answer.body.decode(), log):
        assert host in told
        assert KEY not in told
        assert "Traceback" not in told
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        pytest.param(
            None, "no connection (", marks=pytest.mark.case(46), id="port-closed"
        ),
        pytest.param(
            "https://nothing.invalid",
            "its name can't be resolved",
            marks=pytest.mark.case(47),
            id="no-such-name",
        ),
    ],
)
def test_an_upstream_that_cant_be_reached_is_named(
    host: str | None, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeUpstream() as gone:
        host = host or gone.url
    with streamtape.record(tmp_path, upstream=host) as recording:
        answer = post(recording.base_url)

    assert reason in answer.body.decode()
    check_refusal(answer, host, caplog.text, tmp_path)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param(
            b"",
            "it closed the connection without an answer",
            marks=pytest.mark.case(50),
            id="nothing",
        ),
        pytest.param(
            None,
            "it closed the connection without an answer",
            marks=pytest.mark.case(50),
            id="a-reset",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/ev",
            "it closed the connection without an answer",
            marks=pytest.mark.case(50),
            id="half-a-head",
        ),
        pytest.param(
            b"SSH-2.0-x\r\n\r\n",
            "what it sent is no HTTP",
            marks=pytest.mark.case(49),
            id="another-protocol",
        ),
        pytest.param(
            b"\x16\x03\x01\0\xa5" + b"\0" * 200,
            "what it sent is no HTTP",
            marks=pytest.mark.case(49),
            id="binary",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nx-a: b\0c\r\n\r\n",
            "what it sent is no HTTP",
            marks=pytest.mark.case(53),
            id="nul-in-a-header",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * (MOST_BYTES + 100) + b"\r\n\r\n",
            "what it sent is no HTTP",
            marks=pytest.mark.case(53),
            id="huge-header",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 200 + b"\r\n",
            "what it sent is no HTTP",
            marks=pytest.mark.case(53),
            id="200-headers",
        ),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "wants another protocol (101)",
            marks=pytest.mark.case(53),
            id="another-protocol-after-this",
        ),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(
    said: bytes | None, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    host, answer = ask_one_that_says(said, tmp_path)

    assert reason in answer.body.decode()
    check_refusal(answer, host, caplog.text, tmp_path)


@pytest.mark.case(45)
@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529]
)
def test_an_error_status_is_given_as_it_came_and_asked_for_once(
    status: int, tmp_path: Path
) -> None:
    reply = error_reply(status, "an_error", "Not now.", retry_after=7)

    runs = run_thrice(post, [reply], tmp_path, speed=1)

    straight = runs.straight
    for answer in (runs.recorded, runs.replayed):
        assert (answer.status, answer.body) == (status, straight.body)
        assert answer.header("retry-after") == "7"
        assert answer.header("x-should-retry") == straight.header("x-should-retry")
    assert len(runs.requests) == 1
    assert runs.counts == {"replayed": 1}


@pytest.mark.case(44)
def test_an_error_within_a_stream_is_part_of_it(tmp_path: Path) -> None:
    events = [*message_stream(text("Grüße"))[:4], error_event().raw]
    reply = raw_reply(b"".join(events))

    runs = run_thrice(post, [reply], tmp_path)

    for answer in (runs.straight, runs.recorded, runs.replayed):
        assert (answer.status, answer.ending) == (200, Ending.WHOLE)
        assert answer.body == reply.body
    (cassette,) = runs.cassettes
    assert [part.raw for part in cassette.events] == events
    assert cassette.ending.reason == "complete"


@pytest.mark.case(53)
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(status: int, tmp_path: Path) -> None:
    said = f"HTTP/1.1 {status} x\r\nrequest-id: b\r\n\r\n".encode()

    _, recorded = ask_one_that_says(said, tmp_path)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = ask(replay.base_url, method="GET", target="/v1/x")

    for answer in (recorded, replayed):
        assert (answer.status, answer.body) == (status, b"")
        assert answer.header("request-id") == "b"
        assert answer.header("transfer-encoding") is None


@pytest.mark.case(53)
def test_answers_that_come_before_the_answer_are_not_taken_for_it(
    tmp_path: Path,
) -> None:
    said = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )

    _, recorded = ask_one_that_says(said, tmp_path)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = ask(replay.base_url, method="GET", target="/v1/x")

    for answer in (recorded, replayed):
        assert (answer.status, answer.body) == (200, b"ok")
        assert answer.header("link") is None


@pytest.mark.case(53)
def test_a_head_is_asked_for_here_alone(tmp_path: Path) -> None:
    with (
        FakeUpstream([json_reply({})]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        answer = ask(recording.base_url, method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert upstream.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case(53)
def test_fifty_cookies_reach_the_client_and_no_cassette(tmp_path: Path) -> None:
    cookies = [f"name{number}=value{number}" for number in range(50)]
    headers = tuple(("Set-Cookie", cookie) for cookie in cookies)

    runs = run_thrice(post, [json_reply({}, headers=headers)], tmp_path)

    def cookies_of(answer: Answer) -> list[str]:
        return [v for name, v in answer.headers if name.lower() == "set-cookie"]

    assert cookies_of(runs.recorded) == cookies_of(runs.straight) == cookies
    assert cookies_of(runs.replayed) == []
    (path,) = tmp_path.glob("*.tape")
    assert b"value7" not in path.read_bytes()


@pytest.mark.case(53)
def test_a_long_header_and_many_of_them_are_passed_on(tmp_path: Path) -> None:
    headers = (("x-long", "b" * 8000), *((f"x-{n}", "c") for n in range(100)))

    runs = run_thrice(post, [json_reply({}, headers=headers)], tmp_path)

    assert set(headers) <= {(n.lower(), v) for n, v in runs.recorded.headers}


@pytest.mark.case(53)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("request-id", "b\r\nset-cookie: c=d"), id="crlf"),
        pytest.param(("request-id", "b\nset-cookie: c=d"), id="lf"),
        pytest.param(("request-id", "b\0c"), id="nul"),
        pytest.param(("set-cookie: c=d\r\nrequest-id", "b"), id="crlf-in-a-name"),
    ],
)
def test_a_header_of_a_cassette_that_would_be_two_is_refused(
    header: tuple[str, str], tmp_path: Path
) -> None:
    stream = ("content-type", "text/event-stream")
    path = write_tape(tmp_path, hello("Hi"), headers=(stream, header))
    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, headers=ASKED.headers, body=ASKED.body)

    assert (answer.status, answer.header("x-should-retry")) == (500, "false")
    assert answer.header("set-cookie") is None
    assert f"{path}: damaged at byte" in answer.body.decode()


@pytest.mark.case(54)
def test_what_belongs_to_a_connection_is_dropped_in_both_directions(
    tmp_path: Path,
) -> None:
    hops: Headers = (
        ("Connection", "x-hop, keep-alive"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Trailer", "x-t"),
        ("Upgrade", "h2c"),
    )
    kept = (("X-Kept", "2"),)
    with (
        FakeUpstream([json_reply({}, headers=(*hops, *kept))]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        connect(recording.base_url) as client,
    ):
        lines = [f"{name}: {value}" for name, value in (*hops, *kept)]
        first, host = "GET /v1/x HTTP/1.1", recording.base_url.partition("//")[2]
        client.sendall("\r\n".join([first, f"Host: {host}", *lines, "", ""]).encode())
        received = b""
        while b"\r\n0\r\n\r\n" not in received:
            received += client.recv(1 << 16)

    names = {name.lower() for name, _ in hops}
    (seen,) = upstream.requests
    (cassette,) = read_library(tmp_path)
    assert cassette.response is not None
    given = received.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")[1:]
    for headers in (
        {name.lower() for name, _ in seen.headers},
        {line.partition(":")[0] for line in given},
        {name.lower() for name, _ in cassette.response.headers},
    ):
        assert "x-kept" in headers
        assert not headers & names


EARLY: Final = (
    b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)
"""An answer to a request of which the body is still being sent."""


def ask_one_that_answers_early(folder: Path, body: bytes, *, then: str) -> Answer:
    """
    Record the answer of an upstream that takes the head alone, and what its system
    takes in advance.

    Args:
        then: What it does behind its answer; the rest of the body is never read.
    """
    with (
        listen() as upstream,
        streamtape.record(folder, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        line = "POST /v1/messages HTTP/1.1"
        length = f"Content-Length: {len(body)}"
        client.sendall(raw_request(recording.base_url, line, length) + body)
        served, _ = upstream.accept()
        with served:
            served.recv(1 << 10)
            served.sendall(EARLY)
            match then:
                case "closes":
                    # What was not read makes this a reset.
                    served.close()
                case "shuts":
                    served.shutdown(socket.SHUT_WR)
            return read_answer(client)


@pytest.mark.case(55)
@pytest.mark.parametrize("then", ["closes", "shuts", "stays"])
def test_an_answer_that_comes_before_the_body_was_taken_is_passed_on(
    then: str, tmp_path: Path, trials: Trials
) -> None:
    # More than both systems take in advance.
    body = b"x" * (8 << 20)
    answers = []
    for number in range(trials.many(quick=2, long=100)):
        folder = tmp_path / f"{number}"
        answers.append(ask_one_that_answers_early(folder, body, then=then))
        trials.ran += 1
    with streamtape.replay(tmp_path / "0", speed="instant") as replay:
        answers.append(ask(replay.base_url, body=body))

    trials.lost += sum(answer.status != 413 for answer in answers)
    assert trials.lost == 0
    trials.wrong += sum(
        (answer.body, answer.ending) != (b"{}", Ending.WHOLE) for answer in answers
    )
    assert trials.wrong == 0


@pytest.mark.case(55)
def test_an_early_answer_that_a_reset_may_have_cut_off_is_not_taken_for_whole(
    tmp_path: Path,
) -> None:
    """Its body would have ended with the connection."""
    said = EARLY.replace(b"Content-Length: 2\r\n", b"")
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        body = b"x" * (4 << 20)
        line, length = "POST /v1/x HTTP/1.1", f"Content-Length: {len(body)}"
        client.sendall(raw_request(recording.base_url, line, length) + body)
        served, _ = upstream.accept()
        served.recv(1 << 10)
        served.sendall(said)
        served.close()
        answer = read_answer(client)

    assert (answer.status, answer.body) == (413, b"{}")
    assert answer.ending is not Ending.WHOLE


def test_no_content_type_stays_none(tmp_path: Path) -> None:
    reply = raw_reply(b"abc", content_type=None)

    runs = run_thrice(post, [reply], tmp_path)

    for answer in (runs.straight, runs.recorded, runs.replayed):
        assert (answer.body, answer.header("content-type")) == (b"abc", None)


@pytest.mark.parametrize(
    ("framing", "ending"),
    [
        (Framing.CHUNKED, ReplyEnding.CUT),
        (Framing.CHUNKED, ReplyEnding.RESET),
        (Framing.LENGTH, ReplyEnding.CUT),
        (Framing.LENGTH, ReplyEnding.RESET),
        (Framing.CLOSE, ReplyEnding.RESET),
    ],
)
def test_a_client_of_http_1_0_can_tell_a_break_from_an_end(
    framing: Framing, ending: ReplyEnding, tmp_path: Path
) -> None:
    """
    Its body ends with the connection, so only a reset can say that it is not whole.
    """
    reply: Reply = raw_reply(b"data: a\n\n", framing=framing, ending=ending)
    endings = []

    def use(base_url: str) -> Answer:
        with connect(base_url) as client:
            client.sendall(raw_request(base_url, "GET /v1/x HTTP/1.0"))
            return read_answer(client)

    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        endings.append(use(recording.base_url))
    with streamtape.replay(tmp_path, speed="instant") as replay:
        endings.append(use(replay.base_url))

    for answer in endings:
        assert answer.header("transfer-encoding") is None
        assert (answer.body, answer.ending) == (b"data: a\n\n", Ending.RESET)
