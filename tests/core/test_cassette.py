from __future__ import annotations

import json

import pytest

from streamtape.core.cassette import Cassette
from streamtape.core.model import Ending, EndReason, Part, Request, Response

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
    b'"type":"message","role":"assistant","model":"m","content":[],'
    b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
)
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
STREAM = "text/event-stream"
JSON = "application/json"
MESSAGE = {
    "type": "message",
    "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}],
}


def delta(text: str) -> bytes:
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"%b"}}\n\n' % text.encode()
    )


def cassette(*raws: bytes, content_type: str | None = STREAM) -> Cassette:
    """Make a cassette whose parts come 100 ns apart, without a response if asked."""
    response = Response(
        status=200,
        reason="OK",
        headers=(("content-type", content_type or ""),),
        offset_ns=50,
    )
    return Cassette(
        name="hello-01234567",
        request=Request(method="POST", target="/v1/messages?beta=true"),
        response=None if content_type is None else response,
        parts=tuple(Part(100 * n, raw) for n, raw in enumerate(raws, 1)),
        ending=Ending(reason=EndReason.COMPLETE, offset_ns=1000),
    )


def test_a_stream_gives_its_events_text_and_message() -> None:
    stream = cassette(START, BLOCK, delta("Hel"), delta("lo"))

    assert stream.is_stream
    assert stream.events == stream.parts
    assert stream.body == START + BLOCK + delta("Hel") + delta("lo")
    assert stream.text == "Hello"
    message = stream.final_message()
    assert message is not None
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert stream.timing.ttft_ns == 300


def test_a_plain_message_gives_its_text_and_no_events() -> None:
    raw = json.dumps(MESSAGE).encode()
    plain = cassette(raw[:9], raw[9:], content_type=JSON)

    assert not plain.is_stream
    assert plain.events == ()
    assert plain.body == raw
    assert plain.text == "Hello"
    assert plain.final_message() == MESSAGE
    assert plain.timing.gaps_ns == (100,)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no-json"),
        pytest.param(b"\xff", id="no-utf-8"),
        pytest.param(b"[1]", id="a-list"),
        pytest.param(b'{"type":"error"}', id="an-error"),
        pytest.param(b"[" * 100_000, id="too-deep"),
    ],
)
def test_a_body_that_is_no_message_has_none(raw: bytes) -> None:
    other = cassette(raw, content_type=JSON)

    assert other.final_message() is None
    assert other.text == ""


def test_no_answer_is_no_stream() -> None:
    """A recorder that was killed early leaves a request alone."""
    lonely = cassette(content_type=None)

    assert not lonely.is_stream
    assert lonely.final_message() is None
    assert lonely.timing.time_to_headers_ns is None


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param(
            STREAM,
            "<Cassette hello-01234567: POST /v1/messages 200, 1 parts, complete>",
            id="answer",
        ),
        pytest.param(
            None,
            "<Cassette hello-01234567: POST /v1/messages no answer, 1 parts, complete>",
            id="no-answer",
        ),
    ],
)
def test_a_cassette_shows_what_it_holds(
    content_type: str | None, expected: str
) -> None:
    assert repr(cassette(START, content_type=content_type)) == expected
