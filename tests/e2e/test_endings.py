"""However an answer breaks off, its recording and its replay break off alike."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

import streamtape
from e2e.runs import read_library, run_thrice
from e2e.wire import (
    CHUNKED_HEAD,
    Answer,
    Ending,
    ask,
    chunk,
    connect,
    listen,
    raw_request,
    read_answer,
    url_of,
)
from streamtape import StreamtapeError
from streamtape.core.modes import RecordMode
from streamtape.server.config import Config
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import (
    FakeUpstream,
    Framing,
    Reply,
    ReplyEnding,
    json_reply,
    message_stream,
    raw_reply,
    text,
)

REQUEST = b'{"stream": true}'
EVENTS = message_stream(text("Grüße aus Zürich"))
BODY = b"".join(EVENTS)
MIDWAY = BODY[:300]
BETWEEN = b"".join(EVENTS[:3])
MS = 1_000_000


def post(base_url: str) -> Answer:
    return ask(base_url, body=REQUEST)


CUT = ReplyEnding.CUT
RESET = ReplyEnding.RESET


@pytest.mark.parametrize(
    ("reply", "ending", "reason"),
    [
        pytest.param(
            raw_reply(MIDWAY, ending=CUT),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="closed-within-an-event",
        ),
        pytest.param(
            raw_reply(BETWEEN, ending=CUT),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="closed-between-events",
        ),
        pytest.param(
            raw_reply(BODY, ending=CUT),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="closed-after-the-last-event",
        ),
        pytest.param(
            raw_reply([], ending=CUT),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="closed-after-the-head",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=CUT, framing=Framing.LENGTH),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="shorter-than-its-length",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=CUT, framing=Framing.CLOSE),
            Ending.WHOLE,
            "upstream_eof",
            marks=pytest.mark.case(42),
            id="closed-without-a-framing",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=RESET),
            Ending.RESET,
            "upstream_reset",
            marks=pytest.mark.case(39),
            id="reset-within-an-event",
        ),
        pytest.param(
            raw_reply([], ending=RESET),
            Ending.RESET,
            "upstream_reset",
            marks=pytest.mark.case(39),
            id="reset-after-the-head",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=RESET, framing=Framing.LENGTH),
            Ending.RESET,
            "upstream_reset",
            marks=pytest.mark.case(39),
            id="reset-before-its-length",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=RESET, framing=Framing.CLOSE),
            Ending.RESET,
            "upstream_reset",
            marks=pytest.mark.case(39),
            id="reset-without-a-framing",
        ),
        pytest.param(
            raw_reply(b'{"a": ', ending=CUT, content_type="application/json"),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="json-closed",
        ),
        pytest.param(
            raw_reply(MIDWAY, ending=CUT, status=529),
            Ending.CLOSED,
            "upstream_cut",
            marks=pytest.mark.case(38),
            id="an-error-closed",
        ),
    ],
)
def test_a_break_is_the_same_break(
    reply: Reply, ending: Ending, reason: str, tmp_path: Path
) -> None:
    runs = run_thrice(post, [reply], tmp_path)

    for answer in (runs.straight, runs.recorded, runs.replayed):
        assert (answer.status, answer.body, answer.ending) == (
            reply.status,
            reply.body,
            ending,
        )
    (cassette,) = runs.cassettes
    assert (cassette.body, cassette.ending.reason) == (reply.body, reason)


@pytest.mark.case(40)
@pytest.mark.parametrize("by_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    ("sent", "body"),
    [
        pytest.param(b"100\r\n" + BETWEEN[:50], BETWEEN[:50], id="in-its-data"),
        pytest.param(chunk(BETWEEN)[:-1], BETWEEN, id="in-its-last-line-break"),
        pytest.param(chunk(BETWEEN) + b"1", BETWEEN, id="in-the-size-of-the-next"),
        pytest.param(chunk(BETWEEN) + b"0\r\n", BETWEEN, id="in-the-last-chunk"),
    ],
)
def test_a_cut_within_a_chunk_breaks_the_answer(
    sent: bytes, body: bytes, by_reset: bool, tmp_path: Path
) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_post(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.recv(1 << 16)
            served.sendall(CHUNKED_HEAD + sent)
            received = b""
            while body not in received:
                received += client.recv(1 << 16)
            if by_reset:
                linger = struct.pack("ii", 1, 0)
                served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        recorded = read_answer(client, received)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = post(replay.base_url)

    ending = Ending.RESET if by_reset else Ending.CLOSED
    for answer in (recorded, replayed):
        assert (answer.body, answer.ending) == (body, ending)
    (cassette,) = read_library(tmp_path)
    reason = "upstream_reset" if by_reset else "upstream_cut"
    assert (cassette.body, cassette.ending.reason) == (body, reason)


@pytest.mark.case(41)
def test_framing_that_makes_no_sense_breaks_the_answer(tmp_path: Path) -> None:
    with (
        listen() as upstream,
        streamtape.record(tmp_path, upstream=url_of(upstream)) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_post(recording.base_url))
        served, _ = upstream.accept()
        with served:
            served.sendall(CHUNKED_HEAD + chunk(BETWEEN))
            received = b""
            while BETWEEN not in received:
                received += client.recv(1 << 16)
            served.sendall(b"nonsense\r\n")
            answer = read_answer(client, received)

    assert (answer.body, answer.ending) == (BETWEEN, Ending.CLOSED)
    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "upstream_cut"


def record_impatiently(reply: Reply, folder: Path) -> Answer:
    with FakeUpstream([reply]) as upstream:
        config = Config(
            cassettes=folder,
            policy=Policy(mode=RecordMode.ALL),
            upstream=upstream.url,
            idle_limit_ns=50 * MS,
        )
        with RunningServer(config) as recording:
            return post(recording.base_url)


@pytest.mark.case(43)
def test_a_stream_that_stalls_is_given_up_and_breaks_again(tmp_path: Path) -> None:
    reply = raw_reply(MIDWAY, ending=ReplyEnding.STALL)

    recorded = record_impatiently(reply, tmp_path)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = post(replay.base_url)

    for answer in (recorded, replayed):
        assert (answer.body, answer.ending) == (MIDWAY, Ending.CLOSED)
    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "upstream_timeout"
    assert cassette.ending.detail == "nothing came from the upstream for 0.05 s"


def test_an_answer_that_does_not_begin_is_given_up_and_not_recorded(
    tmp_path: Path,
) -> None:
    answer = record_impatiently(json_reply({}, delay_ns=3600 * 10**9), tmp_path)

    assert (answer.status, answer.header("x-should-retry")) == (504, None)
    assert b"did not answer in 0.05 s" in answer.body
    assert list(tmp_path.iterdir()) == []


def test_stopping_breaks_the_answer_and_leaves_no_cassette(tmp_path: Path) -> None:
    """What was recorded of it stays as a part, which takes no cassette's place."""
    reply = raw_reply(BETWEEN, ending=ReplyEnding.STALL)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        connect(recording.base_url) as connection,
    ):
        connection.sendall(raw_post(recording.base_url))
        received = b""
        while BETWEEN not in received:
            received += connection.recv(1 << 16)
        recording.stop()
        answer = read_answer(connection, received)

    assert (answer.body, answer.ending) == (BETWEEN, Ending.CLOSED)
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"
    assert streamtape.open(part).ending.reason == "shutdown"


def test_a_damaged_cassette_is_an_error_and_not_a_shorter_answer(
    tmp_path: Path,
) -> None:
    with (
        FakeUpstream([raw_reply(BODY)]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        post(recording.base_url)
    (tape,) = tmp_path.iterdir()
    damaged = bytearray(tape.read_bytes())
    damaged[damaged.index(b"content_block_delta")] ^= 1
    tape.write_bytes(damaged)

    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = post(replay.base_url)

    assert (answer.status, answer.header("x-should-retry")) == (500, "false")
    assert b"streamtape can't replay this" in answer.body
    with pytest.raises(StreamtapeError, match="damaged at byte"):
        streamtape.open(tape)


def raw_post(base_url: str) -> bytes:
    line = "POST /v1/messages HTTP/1.1"
    return raw_request(base_url, line, f"Content-Length: {len(REQUEST)}") + REQUEST
