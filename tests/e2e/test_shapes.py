"""Streams in every shape come through byte for byte, recorded and replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.runs import run_thrice
from e2e.wire import Answer, Ending, ask
from streamtape.testing import (
    PING,
    SCENARIOS,
    Framing,
    Reply,
    Write,
    error_event,
    json_reply,
    message_stream,
    raw,
    raw_reply,
    refusal,
    text,
    thinking,
    tool_use,
    unknown_block,
    unknown_delta,
    unknown_event,
)

EVENTS = message_stream(thinking("Überlegen …"), text("Grüße, “Zürich”"))
BODY = b"".join(EVENTS)
CRLF = BODY.replace(b"\n", b"\r\n")
LARGE = b"event: big\ndata: " + b"x " * 150_000 + b"\n\n"


def in_pieces(body: bytes, size: int) -> list[Write]:
    return [Write(0, body[at : at + size]) for at in range(0, len(body), size)]


def cut_at(body: bytes, place: int) -> list[Write]:
    assert 0 < place < len(body)
    return [Write(0, body[:place]), Write(0, body[place:])]


def between(extra: bytes) -> bytes:
    return b"".join([*EVENTS[:2], extra, *EVENTS[2:]])


def one_event(data: bytes) -> bytes:
    return b"event: message_start\n" + data + b"\n"


FRAMINGS = [
    pytest.param(raw_reply([Write(0, event) for event in EVENTS]), id="a-write-each"),
    pytest.param(raw_reply(BODY), id="a-single-write"),
    pytest.param(raw_reply(BODY, framing=Framing.LENGTH), id="content-length"),
    pytest.param(raw_reply(BODY, framing=Framing.CLOSE), id="until-it-closes"),
    pytest.param(raw_reply(in_pieces(BODY, 1)), id="a-byte-per-chunk"),
    pytest.param(raw_reply(in_pieces(BODY, 7)), id="seven-bytes-per-chunk"),
    pytest.param(
        raw_reply(cut_at(BODY, BODY.index("ü".encode()) + 1)), id="within-a-character"
    ),
    pytest.param(raw_reply(cut_at(BODY, len(EVENTS[0]) + 9)), id="within-an-event"),
    pytest.param(raw_reply(cut_at(BODY, len(EVENTS[0]) - 1)), id="within-a-blank-line"),
    pytest.param(raw_reply(LARGE + BODY), id="an-event-of-300-kB"),
    pytest.param(raw_reply(BODY * 1500), id="two-megabytes"),
]

LINES = [
    pytest.param(raw_reply(CRLF), id="crlf"),
    pytest.param(raw_reply(cut_at(CRLF, CRLF.index(b"\r") + 1)), id="crlf-split"),
    pytest.param(raw_reply(in_pieces(CRLF, 1)), id="crlf-a-byte-per-chunk"),
    pytest.param(raw_reply(BODY.replace(b"\n", b"\r")), id="cr"),
    pytest.param(raw_reply(between(b": a comment\n\n")), id="comment-between"),
    pytest.param(
        raw_reply(BODY.replace(b"data:", b": hi\ndata:")), id="comment-within"
    ),
    pytest.param(raw_reply(BODY.replace(b": ", b":")), id="no-space"),
    pytest.param(raw_reply(BODY.replace(b"}\n", b"   }  \n")), id="padded"),
    pytest.param(raw_reply(BODY.replace(b",", b",\ndata: ")), id="many-data-lines"),
    pytest.param(raw_reply(between(b"id: 1\nretry: 5\n\n")), id="id-and-retry"),
    pytest.param(raw_reply(between(PING * 3)), id="pings"),
    pytest.param(raw_reply(b"\xef\xbb\xbf" + BODY), id="byte-order-mark"),
    pytest.param(raw_reply(between(b"event: \xff\n\n")), id="not-utf-8"),
    pytest.param(raw_reply(between("data: \u2028\n\n".encode())), id="u+2028"),
]

CONTENTS = [
    pytest.param(raw_reply(between(b"event: empty\n\n")), id="event-without-data"),
    pytest.param(raw_reply(between(b"data: {not json\n\n")), id="no-json"),
    pytest.param(
        raw_reply(BODY.replace(b"event: content", b"event: other")),
        id="name-is-not-the-type",
    ),
    pytest.param(
        raw_reply(
            b"".join(message_stream(unknown_event(), unknown_block(), text("a")))
        ),
        id="unknown-event-and-block",
    ),
    pytest.param(
        raw_reply(b"".join(message_stream(unknown_delta(text("a"))))),
        id="unknown-delta",
    ),
    pytest.param(
        raw_reply(unknown_event().raw + BODY), id="unknown-before-message_start"
    ),
    pytest.param(raw_reply(b"".join(message_stream(refusal()))), id="refusal"),
    pytest.param(
        raw_reply(b"".join(message_stream(tool_use("go", {})))), id="tool-without-input"
    ),
    pytest.param(raw_reply(BODY + BODY), id="two-messages"),
    pytest.param(
        raw_reply(b"".join(message_stream(text("a"), error_event()))), id="error-midway"
    ),
    pytest.param(raw_reply(error_event().raw), id="error-first"),
    pytest.param(raw_reply(b"event: error\ndata: oops\n\n"), id="error-without-json"),
    pytest.param(raw_reply(b"".join(message_stream(raw(b"\0\n\n")))), id="nul-bytes"),
    pytest.param(raw_reply(BODY.replace(b"event: ", b"x: ")), id="no-event-lines"),
    # Without a message_start there is no last word to wait for.
    pytest.param(raw_reply(b"".join(EVENTS[1:-1])), id="no-start-and-no-stop"),
]

NO_STREAMS = [
    pytest.param(raw_reply(BODY, content_type="application/json"), id="sse-as-json"),
    pytest.param(
        raw_reply(BODY, content_type="application/octet-stream"), id="sse-as-bytes"
    ),
    pytest.param(json_reply({"type": "message"}), id="json-instead-of-a-stream"),
    pytest.param(raw_reply(bytes(range(256)), content_type="image/png"), id="bytes"),
    pytest.param(
        raw_reply(b'{"a":1}\n{"a":2}\n', content_type="application/x-jsonl"), id="jsonl"
    ),
    pytest.param(Reply(status=204, framing=Framing.CLOSE), id="no-content"),
    pytest.param(raw_reply([], content_type="text/plain"), id="empty"),
    pytest.param(raw_reply(BODY, status=529), id="a-stream-with-529"),
]


def stream_request(base_url: str) -> Answer:
    return ask(base_url, body=b'{"stream": true}')


@pytest.mark.parametrize("reply", [*FRAMINGS, *LINES, *CONTENTS, *NO_STREAMS])
def test_a_whole_answer_is_the_same_bytes(reply: Reply, tmp_path: Path) -> None:
    runs = run_thrice(stream_request, [reply], tmp_path)

    (cassette,) = runs.cassettes
    assert cassette.body == reply.body
    assert cassette.ending.reason == "complete"
    for answer in (runs.straight, runs.recorded, runs.replayed):
        assert (answer.status, answer.ending) == (reply.status, Ending.WHOLE)
        assert answer.body == reply.body
        assert answer.header("content-type") == runs.straight.header("content-type")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(raw_reply(BODY[:-1]), id="one-newline-at-the-end"),
        pytest.param(raw_reply(BODY[:-2]), id="no-newline-at-the-end"),
        pytest.param(raw_reply(b"".join(EVENTS[:3])), id="over-between-events"),
        pytest.param(raw_reply(BODY[:200]), id="over-within-an-event"),
        pytest.param(raw_reply([]), id="over-before-the-first-event"),
    ],
)
def test_a_stream_that_ends_too_early_ends_as_properly(
    reply: Reply, tmp_path: Path
) -> None:
    """It is over by its framing, so its client sees no break; the cassette knows."""
    runs = run_thrice(stream_request, [reply], tmp_path)

    (cassette,) = runs.cassettes
    assert cassette.ending.reason == "upstream_eof"
    for answer in (runs.straight, runs.recorded, runs.replayed):
        assert (answer.body, answer.ending) == (reply.body, Ending.WHOLE)


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - {"stall"}))
@pytest.mark.parametrize("stream", ["true", "false"])
def test_every_scenario_is_the_same_bytes(
    name: str, stream: str, tmp_path: Path
) -> None:
    request = (
        f'{{"messages":[{{"role":"user","content":"[{name}]"}}],"stream":{stream}}}'
    )

    def use(base_url: str) -> tuple[int, bytes, Ending]:
        answer = ask(base_url, body=request.encode())
        return answer.status, answer.body, answer.ending

    runs = run_thrice(use, None, tmp_path)

    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    assert [cassette.body for cassette in runs.cassettes] == [runs.straight[1]]
