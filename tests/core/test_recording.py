from __future__ import annotations

import json
import re
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from foreign import bedrock_chunk
from helpers import every_split
from planting import KEYS, Planted, in_pieces
from proofs import Trials
from streamtape.core.format.frames import MAGIC
from streamtape.core.format.reader import RecordReader
from streamtape.core.format.records import End, Header
from streamtape.core.matching.key import KEY_VERSION
from streamtape.core.messages.deltas import read_event
from streamtape.core.model import EndReason, Part, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED

STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"
SECRET = "sk-ant-api03-" + "a1B2c3D4e5F6g7H8" * 4
REQUEST = Request(
    method="POST",
    target="/v1/messages?beta=true",
    headers=(("content-type", JSON), ("x-api-key", SECRET)),
    body=b'{"model":"claude-one"}',
)
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
    b'"type":"message","role":"assistant","model":"claude-one","content":[],'
    b'"stop_reason":null,"usage":{"input_tokens":10,"output_tokens":1}}}\n\n'
)
DELTA = (
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    '"delta":{"type":"text_delta","text":"é🎈"}      }\n\n'
).encode()
LAST_DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":'
    b'"end_turn","stop_sequence":null},"usage":{"output_tokens":25}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = (
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"Overloaded"}}\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
WHOLE = [START, DELTA, LAST_DELTA, STOP]


def response(content_type: str, status: int = 200) -> Response:
    return Response(
        status=status,
        reason="OK",
        headers=(("content-type", content_type),),
        offset_ns=50,
    )


def record(
    chunks: Iterable[bytes],
    *,
    content_type: str = STREAM,
    reason: EndReason = EndReason.COMPLETE,
    detail: str = "",
) -> bytes:
    """Record chunks that come at 100, 200, 300 ns and so on; the end is at 9999 ns."""
    recording = Recording(
        clean_request(REQUEST, Secrets()), recorded_at=None, secrets=Secrets()
    )
    packed = [recording.begin(response(content_type))]
    for place, chunk in enumerate(chunks, 1):
        packed.append(recording.feed(chunk, 100 * place))
    packed.append(recording.end(reason, 9999, detail=detail))
    return b"".join(packed)


def read(data: bytes) -> tuple[list[Part], End]:
    *records, end = RecordReader().feed(data)
    assert isinstance(end, End)
    return [record for record in records if isinstance(record, Part)], end


def raws(data: bytes) -> list[bytes]:
    return [part.raw for part in read(data)[0]]


def summary_of(*chunks: bytes, content_type: str = STREAM) -> dict[str, Any]:
    return read(record(chunks, content_type=content_type))[1].summary


def reason_of(*chunks: bytes, content_type: str = STREAM) -> EndReason:
    return read(record(chunks, content_type=content_type))[1].ending.reason


def test_a_recording_begins_with_all_that_comes_before_the_body() -> None:
    recording = Recording(
        clean_request(REQUEST, Secrets()),
        recorded_at="2026-01-02T03:04:05Z",
        secrets=Secrets(),
    )

    packed = recording.begin(response(STREAM))

    header, request, head = RecordReader().feed(packed)
    assert packed.startswith(MAGIC)
    assert header == Header(recorded_at="2026-01-02T03:04:05Z")
    assert request == clean_request(REQUEST, Secrets())
    assert head == response(STREAM)


def test_a_recording_says_the_key_of_its_request() -> None:
    recording = Recording(
        clean_request(REQUEST, Secrets()),
        recorded_at=None,
        match_key="0f" * 32,
        secrets=Secrets(),
    )

    header = next(RecordReader().feed(recording.begin(response(STREAM))))

    assert header == Header(match=(KEY_VERSION, b"\x0f" * 32))


def test_the_same_calls_give_the_same_bytes() -> None:
    assert record(WHOLE) == record(WHOLE)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_a_stream_is_kept_as_its_events_however_it_comes(line_end: bytes) -> None:
    """Byte for byte: padding, line ends, and characters split over chunks."""
    events = [event.replace(b"\n", line_end) for event in [DELTA, PING, STOP]]
    # The CR before it ends its line only when something follows.
    stream = b"".join(events)

    for chunks in every_split(stream):
        parts, end = read(record(chunks))

        assert [part.raw for part in parts] == events
        assert end.ending.reason is EndReason.COMPLETE
        assert (end.part_count, end.body_bytes) == (3, len(stream))


def test_an_event_has_the_time_of_the_chunk_that_ended_it() -> None:
    """Those that came in one read share it."""
    chunks = [START[:9], START[9:] + DELTA + LAST_DELTA[:5], LAST_DELTA[5:], STOP]

    parts, end = read(record(chunks))

    assert parts == [
        Part(200, START),
        Part(200, DELTA),
        Part(300, LAST_DELTA),
        Part(400, STOP),
    ]
    assert end.ending.offset_ns == 9999


def test_each_chunk_gives_what_is_whole_then() -> None:
    """So that a recorder that is killed leaves what the client saw."""
    recording = Recording(
        clean_request(REQUEST, Secrets()), recorded_at=None, secrets=Secrets()
    )
    before = recording.begin(response(STREAM))

    assert recording.feed(START[:9], 1) == b""
    before += recording.feed(START[9:] + DELTA[:5], 2)

    assert list(RecordReader().feed(before))[-1] == Part(2, START)


@pytest.mark.parametrize(
    "reason",
    [reason for reason in EndReason if reason not in ("complete", "truncated")],
)
def test_what_a_cut_leaves_over_is_kept(reason: EndReason) -> None:
    """With the time of the last chunk, and the reason and its sentence."""
    data = record([START, DELTA[:-1]], reason=reason, detail="it broke")

    parts, end = read(data)

    assert parts == [Part(100, START), Part(200, DELTA[:-1])]
    assert (end.ending.reason, end.ending.detail) == (reason, "it broke")
    assert end.ending.offset_ns == 9999


def test_a_body_without_a_chunk_is_recorded() -> None:
    parts, end = read(record([], reason=EndReason.UPSTREAM_RESET))

    assert (parts, end.part_count, end.body_bytes) == ([], 0, 0)


UNKNOWN = b'data: {"text":"of nobody here"}\n\n'
OPENAI = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        pytest.param(WHOLE, EndReason.COMPLETE, id="message-stop"),
        pytest.param([START, ERROR], EndReason.COMPLETE, id="error"),
        pytest.param([ERROR], EndReason.COMPLETE, id="error-alone"),
        pytest.param([START, DELTA], EndReason.UPSTREAM_EOF, id="no-message-stop"),
        pytest.param([*WHOLE[:3], STOP[:-1]], EndReason.UPSTREAM_EOF, id="stop-cut"),
        pytest.param([*WHOLE, b"\n"], EndReason.COMPLETE, id="blank-line-behind"),
        pytest.param([OPENAI, b"data: [DONE]\n\n"], EndReason.COMPLETE, id="done"),
        pytest.param([OPENAI], EndReason.UPSTREAM_EOF, id="foreign-without-done"),
        pytest.param([UNKNOWN], EndReason.COMPLETE, id="unknown"),
        pytest.param([UNKNOWN, b"\n"], EndReason.COMPLETE, id="unknown-blank-line"),
        pytest.param([OPENAI, b"data: {"], EndReason.UPSTREAM_EOF, id="foreign-cut"),
        pytest.param([START, b"data: [DONE]\n\n"], EndReason.UPSTREAM_EOF, id="mixed"),
        pytest.param([], EndReason.UPSTREAM_EOF, id="empty"),
    ],
)
def test_a_stream_is_complete_when_it_said_its_last_word(
    chunks: list[bytes], reason: EndReason
) -> None:
    """Although the body ended by its framing each time."""
    assert reason_of(*chunks) is reason


@pytest.mark.parametrize("content_type", [JSON, "text/plain", "application/x-ndjson"])
def test_a_plain_body_is_complete_when_its_framing_says_so(content_type: str) -> None:
    assert reason_of(b'{"a":', content_type=content_type) is EndReason.COMPLETE


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json; charset=utf-8", "application/problem+json"],
)
def test_a_key_that_is_split_over_the_chunks_of_json_is_redacted(
    content_type: str,
) -> None:
    body = json.dumps({"type": "message", "content": f"it is {SECRET}!"}).encode()

    for chunks in every_split(body):
        data = record(chunks, content_type=content_type)

        assert raws(data) == [body.replace(SECRET.encode(), REDACTED.encode())]


def test_a_held_body_has_the_time_of_its_last_chunk() -> None:
    parts, _ = read(record([b"{", b"}"], content_type=JSON))

    assert parts == [Part(200, b"{}")]


def test_a_long_json_body_is_cut_where_no_key_can_be() -> None:
    """It isn't held for ever, and no piece begins or ends within a key."""
    item = json.dumps({"key": SECRET, "text": "word " * 20}).encode() + b","
    body = b'{"a":[' + item * 20_000 + b"{}]}"
    chunks = [body[start : start + 65_521] for start in range(0, len(body), 65_521)]

    data = record(chunks, content_type=JSON)

    pieces = raws(data)
    assert len(pieces) > 2
    assert all(piece.endswith(b'"') for piece in pieces[:-1])
    assert b"".join(pieces) == body.replace(SECRET.encode(), REDACTED.encode())


def test_a_long_json_body_without_quotes_is_cut_anywhere() -> None:
    body = b"{" + b"1," * 1_000_000 + b"1}"

    pieces = raws(record([body[:1_500_000], body[1_500_000:]], content_type=JSON))

    assert len(pieces) == 2
    assert b"".join(pieces) == body


@pytest.mark.parametrize("content_type", ["text/plain", "audio/mpeg", ""])
def test_chunks_of_other_bodies_keep_their_times(content_type: str) -> None:
    """What looks like an event isn't cut as one."""
    chunks = [b'{"a":1}\n\n{"b":2}\n', b'{"c":3}\n', b"\n"]

    parts, end = read(record(chunks, content_type=content_type))

    assert parts == [Part(100 * place, chunk) for place, chunk in enumerate(chunks, 1)]
    assert end.summary == {}


@pytest.mark.parametrize("content_type", ["text/plain", "audio/mpeg", ""])
def test_a_key_split_over_chunks_of_another_body_is_redacted(content_type: str) -> None:
    key = b"sk-ant-api03-" + b"Q" * 40
    chunks = [b"one\ninvalid key " + key[:9], key[9:] + b"\ntwo\n", b"three"]

    packed = record(chunks, content_type=content_type)

    assert b"Q" * 9 not in packed
    parts, _ = read(packed)
    assert parts == [
        Part(100, b"one\ninvalid key [redacted]"),
        Part(200, b"\ntwo\n"),
        Part(300, b"three"),
    ]


def test_comments_that_no_blank_line_follows_keep_the_time_of_their_read() -> None:
    """Each of them keeps a client from giving up, and an event may come far later."""
    chunks = [b": keep-", b"alive\n", b": one\r\n: two\n", b"\n" + DELTA, DELTA]

    parts, end = read(record([START, *chunks, LAST_DELTA + STOP]))

    assert parts == [
        Part(100, START),
        Part(300, b": keep-alive\n"),
        Part(400, b": one\r\n: two\n"),
        Part(500, b"\n" + DELTA),
        Part(600, DELTA),
        Part(700, LAST_DELTA),
        Part(700, STOP),
    ]
    assert end.ending.reason is EndReason.COMPLETE


@pytest.mark.parametrize("rest", [b"event: a\n: b\n", b": a\ndata", b": a\n\n: b"])
def test_comments_within_an_event_stay_in_it(rest: bytes) -> None:
    parts, end = read(record([rest, b"\n\n", START]))

    assert b"".join(part.raw for part in parts) == rest + b"\n\n" + START
    assert {part.offset_ns for part in parts} <= {100, 200, 300}
    assert (parts[0].offset_ns == 100) == rest.startswith(b": a\n\n")
    assert end.ending.reason is EndReason.UPSTREAM_EOF


def test_a_stream_of_comments_alone_is_not_over() -> None:
    assert reason_of(b": keep-alive\n", b": keep-alive\n") is EndReason.UPSTREAM_EOF


def bedrock(*events: bytes) -> list[bytes]:
    return [bedrock_chunk(read_event(event).value) for event in events]


def test_a_stream_of_bedrock_has_the_same_summary_and_the_same_last_word() -> None:
    """It has the events of the Messages API in messages of its own."""
    amazon = "application/vnd.amazon.eventstream"
    packed = record(bedrock(*WHOLE), content_type=amazon)

    assert read(packed)[1].summary == summary_of(*WHOLE)
    assert read(packed)[1].ending.reason is EndReason.COMPLETE
    # The first alone, cut at its edge.
    cut = reason_of(*bedrock(*WHOLE)[:1], content_type=amazon)
    assert cut is EndReason.UPSTREAM_EOF


def test_the_summary_of_a_stream_says_what_a_listing_wants() -> None:
    assert summary_of(*WHOLE) == {
        "model": "claude-one",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 25},
    }


def test_the_summary_of_a_cut_stream_says_what_came() -> None:
    assert summary_of(START, ERROR) == {
        "error_type": "overloaded_error",
        "model": "claude-one",
        "usage": {"input_tokens": 10, "output_tokens": 1},
    }
    assert summary_of(DELTA) == {}


MESSAGE = {
    "type": "message",
    "model": "claude-one",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            MESSAGE,
            {name: value for name, value in MESSAGE.items() if name != "type"},
            id="message",
        ),
        pytest.param(
            {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}},
            {"error_type": "rate_limit_error"},
            id="error",
        ),
        pytest.param({"error": "text"}, {}, id="error-of-another-kind"),
        pytest.param({"model": 7, "usage": [1], "stop_reason": None}, {}, id="other"),
        pytest.param(
            {
                "usage": {
                    "a": 1,
                    "b": -1,
                    "c": 1.5,
                    "d": True,
                    "e": None,
                    "f": {"g": 1},
                    "h": 2**53,
                    "é": 1,
                }
            },
            {"usage": {"a": 1}},
            id="usage-of-any-kind",
        ),
        pytest.param({"usage": {"a": "1"}}, {}, id="usage-without-a-count"),
        pytest.param({"model": "m\ud800"}, {"model": "m?"}, id="half-a-character"),
        pytest.param({"model": SECRET}, {"model": REDACTED}, id="key"),
        pytest.param([MESSAGE], {}, id="list"),
        pytest.param(None, {}, id="null"),
    ],
)
def test_the_summary_of_json_says_what_a_listing_wants(
    body: object, expected: dict[str, Any]
) -> None:
    """Whatever an upstream sends, it holds what the format allows alone."""
    chunk = json.dumps(body).encode()

    assert summary_of(chunk, content_type=JSON) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000],
    ids=["empty", "cut", "bytes", "deep", "digits"],
)
def test_json_that_cannot_be_read_has_no_summary(body: bytes) -> None:
    assert summary_of(body, content_type=JSON) == {}


def test_a_key_spelled_with_escapes_is_not_in_the_summary() -> None:
    """It is one only when the JSON was read, behind the first redaction."""
    escaped = SECRET.replace("-", "\\u002d")
    start = START.replace(b"claude-one", escaped.encode())

    assert summary_of(start)["model"] == REDACTED


def test_the_sentence_of_an_ending_is_redacted() -> None:
    data = record([], reason=EndReason.UPSTREAM_CUT, detail=f"no {SECRET}")

    assert read(data)[1].ending.detail == f"no {REDACTED}"


@pytest.mark.case(71, 72)
def test_whatever_was_written_when_a_recorder_is_killed_holds_no_key(
    trials: Trials,
) -> None:
    """
    After every event, as nothing that was returned can be taken back; also where the
    stream is cut within each of them.
    """
    secrets = Secrets()
    dice = Random(13)
    for name, make in KEYS.items():
        for _ in range(trials.many(quick=1, long=4)):
            key = make(dice)
            # With a digit, as a short one without is taken for a word.
            seen = "7" + make(dice).secrets[0]
            secrets.add(seen)
            keys = [key, Planted(seen, (seen,))]
            said = "It is " + " and ".join(each.text for each in keys) + "."
            recording = Recording(
                clean_request(REQUEST, secrets), recorded_at=None, secrets=secrets
            )
            written = recording.begin(response(STREAM))
            for number, piece in enumerate(in_pieces(said, dice)):
                event = delta_event(piece)
                written += recording.feed(event, number)
                trials.ran += 1
                trials.leaked += count_shown(written, keys)
            written += recording.feed(delta_event(f" {key.text}")[:-9], 10_000)
            written += recording.end(EndReason.UPSTREAM_CUT, 10_001)
            trials.leaked += count_shown(written, keys)
            assert (name, trials.leaked, recording.find_kinds()) == (name, 0, [])
    assert trials.leaked == 0


def delta_event(piece: str) -> bytes:
    delta = {"type": "text_delta", "text": piece}
    data = {"type": "content_block_delta", "index": 0, "delta": delta}
    return b"event: content_block_delta\ndata: %b\n\n" % json.dumps(data).encode()


def count_shown(written: bytes, keys: list[Planted]) -> int:
    """Return how many keys are in the bytes of a file or in the texts of its events."""
    raw = written.decode("latin-1")
    texts = re.findall(r'"text": ?"((?:[^"\\]|\\.)*)', raw)
    return sum(
        key.shown_in("".join(texts), size=8) or key.shown_in(raw, size=8)
        for key in keys
    )
