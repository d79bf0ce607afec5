from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamtape.core.messages.deltas import EventReader, read_event
from streamtape.core.messages.events import (
    DeltaKind,
    StreamSummary,
    decode,
    delta_kind,
    final_message,
    message_text,
)
from streamtape.core.sse import encode_event, parse_event

if TYPE_CHECKING:
    from collections.abc import Callable

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
    b'"type":"message","role":"assistant","model":"claude-one","content":[],'
    b'"stop_reason":null,"usage":{"input_tokens":10,"output_tokens":1}}}\n\n'
)
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"H\xc3\xa9"}}\n\n'
)
LAST_DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":'
    b'"end_turn","stop_sequence":null},"usage":{"output_tokens":25}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = (
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"Overloaded","details":null}}\n\n'
)
WHOLE = [START, BLOCK, DELTA, LAST_DELTA, STOP]


def summarise(*raw_events: bytes) -> StreamSummary:
    reader, summary = EventReader(), StreamSummary()
    for raw in raw_events:
        summary.feed(reader.read(raw))
    return summary


def spread_json(raw: bytes) -> bytes:
    """Spell the data over several lines."""
    event = parse_event(raw)
    assert event.data is not None
    return encode_event(json.dumps(json.loads(event.data), indent=1), name=event.name)


def turn_json(raw: bytes) -> bytes:
    """Spell the members of the data backwards, so that its type comes last."""
    event = parse_event(raw)
    assert event.data is not None
    members = reversed(json.loads(event.data).items())
    return encode_event(json.dumps(dict(members)), name=event.name)


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda raw: raw, id="as-the-api"),
        pytest.param(lambda raw: raw.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(lambda raw: raw.replace(b"\n", b"\r"), id="cr"),
        pytest.param(lambda raw: b"\xef\xbb\xbf" + raw, id="bom"),
        pytest.param(lambda raw: raw.replace(b": ", b":", 2), id="no-space"),
        pytest.param(lambda raw: b"\n" + raw, id="spare-blank-line"),
        pytest.param(lambda raw: b": hello\n" + raw, id="comment-before"),
        pytest.param(lambda raw: raw.replace(b"\n", b"\n:\n", 1), id="comment-within"),
        pytest.param(lambda raw: b"id: 7\nretry: 5\n" + raw, id="id-and-retry"),
        pytest.param(lambda raw: raw.replace(b"}\n", b"         }\n"), id="padded"),
        pytest.param(lambda raw: raw.replace(b'":', b'": '), id="spaced-json"),
        pytest.param(spread_json, id="multi-line-data"),
        pytest.param(turn_json, id="type-comes-last"),
        pytest.param(lambda raw: raw[raw.index(b"data") :], id="no-name"),
        pytest.param(
            lambda raw: b"event: content_block_delta\n" + raw[raw.index(b"data") :],
            id="every-name-that-of-a-delta",
        ),
    ],
)
def test_the_spelling_of_events_does_not_matter(
    spell: Callable[[bytes], bytes],
) -> None:
    """Summary and message are those of the same stream in the API's own spelling."""
    spelled = [spell(raw) for raw in WHOLE]

    assert summarise(*spelled) == summarise(*WHOLE)
    assert summarise(*spelled).is_over
    assert not summarise(*spelled[:-1]).is_over
    assert delta_kind(read_event(spelled[2])) is DeltaKind.TEXT
    assert final_message(map(read_event, spelled)) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-one",
        "content": [{"type": "text", "text": "Hé"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {"input_tokens": 10, "output_tokens": 25},
    }


def test_a_summary_grows_with_the_stream() -> None:
    summary = summarise(START, BLOCK, DELTA)

    assert summary.is_messages
    assert (summary.model, summary.stop_reason) == ("claude-one", None)
    assert summary.usage == {"input_tokens": 10, "output_tokens": 1}

    summary.feed(read_event(LAST_DELTA))

    assert summary.stop_reason == "end_turn"
    assert summary.usage == {"input_tokens": 10, "output_tokens": 25}


@pytest.mark.parametrize(
    ("raw_events", "is_over"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([START, BLOCK, DELTA, LAST_DELTA], False, id="no-stop"),
        pytest.param(WHOLE, True, id="stop"),
        pytest.param([START, ERROR], True, id="error-within"),
        pytest.param([ERROR], True, id="error-first"),
        pytest.param([b"event: error\ndata: Overloaded\n\n"], True, id="error-no-json"),
        pytest.param([START, b"event: error\n\n"], True, id="error-without-data"),
        pytest.param(
            [START, b'event: x\ndata: {"type":"error"}\n\n'], True, id="error-by-type"
        ),
        pytest.param(
            [START, b'event: message_stop\ndata: {"type":"novelty"}\n\n'],
            False,
            id="stop-by-name-alone",
        ),
        pytest.param(
            [START, b'event: ping\ndata: {"type":"message_stop"}\n\n'],
            False,
            id="stop-in-a-ping",
        ),
        pytest.param(
            [START, b'event: message_stop\ndata: {"type":"message_stop"\n\n'],
            False,
            id="stop-in-broken-json",
        ),
        pytest.param([b"data: [DONE]\n\n"], True, id="openai-chat"),
        pytest.param([b'data: {"choices":[]}\n\n'], False, id="openai-chat-cut"),
        pytest.param(
            [b'data: {"type":"response.completed"}\n\n'], True, id="openai-completed"
        ),
        pytest.param(
            [b'data: {"type":"response.failed"}\n\n'], True, id="openai-failed"
        ),
        pytest.param(
            [b'data: {"type":"response.incomplete"}\n\n'], True, id="openai-incomplete"
        ),
        pytest.param(
            [b'data: {"type":"response.created"}\n\n'], False, id="openai-created"
        ),
        pytest.param([START, b"data: [DONE]\n\n"], False, id="done-in-messages"),
        pytest.param([b"data: [DONE]\n\n", START], False, id="done-before-messages"),
    ],
)
def test_a_stream_is_over_after_its_last_word(
    raw_events: list[bytes], is_over: bool
) -> None:
    assert summarise(*raw_events).is_over is is_over


def test_a_stream_of_another_provider_is_no_messages_stream() -> None:
    summary = summarise(b'data: {"choices":[]}\n\n', LAST_DELTA, b"data: [DONE]\n\n")

    assert not summary.is_messages
    assert (summary.model, summary.stop_reason, summary.usage) == (None, None, {})


@pytest.mark.parametrize(
    ("raw_events", "error_type"),
    [
        pytest.param(WHOLE, None, id="none"),
        pytest.param([START, ERROR], "overloaded_error", id="mid-stream"),
        pytest.param([b"event: error\ndata: oops\n\n", ERROR], "error", id="first-one"),
        pytest.param(
            [b'event: error\ndata: {"type":"api_error"}\n\n'], "error", id="no-error"
        ),
        pytest.param(
            [b'event: error\ndata: {"error":{"type":5}}\n\n'], "error", id="odd-type"
        ),
    ],
)
def test_the_type_of_an_error_is_kept(
    raw_events: list[bytes], error_type: str | None
) -> None:
    assert summarise(*raw_events).error_type == error_type


def test_what_is_not_text_is_no_model_or_stop_reason() -> None:
    summary = summarise(
        b'data: {"type":"message_start","message":{"model":5,"usage":[1]}}\n\n',
        b'data: {"type":"message_delta","delta":{"stop_reason":{}},"usage":1}\n\n',
    )

    assert summary.is_messages
    assert (summary.model, summary.stop_reason, summary.usage) == (None, None, {})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"event: ping\n\n", ("ping", {}), id="no-data"),
        pytest.param(b'event: a\ndata: {"type":"b"}\n\n', ("b", {"type": "b"}), id="b"),
        pytest.param(b'event: a\ndata: {"b":1}\n\n', ("", {"b": 1}), id="no-type"),
        pytest.param(b'event: a\ndata: {"type":1}\n\n', ("", {"type": 1}), id="number"),
        pytest.param(b"event: a\ndata: [1]\n\n", ("", {}), id="list"),
        pytest.param(b"event: a\ndata: {\n\n", ("", {}), id="broken"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", ("", {}), id="too-deep"),
        pytest.param(b"data: " + b"1" * 5000 + b"\n\n", ("", {}), id="too-long"),
        pytest.param(b": comment\n\n", ("", {}), id="comment"),
    ],
)
def test_an_event_is_what_its_data_says(
    raw: bytes, expected: tuple[str, object]
) -> None:
    assert decode(read_event(raw)) == expected


@pytest.mark.parametrize(
    ("delta", "kind"),
    [
        pytest.param('{"type":"text_delta","text":"a"}', DeltaKind.TEXT, id="text"),
        pytest.param('{"type":"text_delta","text":" "}', DeltaKind.TEXT, id="space"),
        pytest.param('{"type":"text_delta","text":""}', None, id="empty-text"),
        pytest.param(
            '{"type":"thinking_delta","thinking":"a"}', DeltaKind.THINKING, id="thought"
        ),
        pytest.param('{"type":"thinking_delta","thinking":""}', None, id="no-thought"),
        pytest.param(
            '{"type":"signature_delta","signature":"a"}',
            DeltaKind.THINKING,
            id="signature",
        ),
        pytest.param(
            '{"type":"input_json_delta","partial_json":"{"}',
            DeltaKind.TOOL_INPUT,
            id="input",
        ),
        pytest.param(
            '{"type":"input_json_delta","partial_json":""}', None, id="empty-input"
        ),
        pytest.param(
            '{"type":"citations_delta","citation":{"type":"a"}}',
            DeltaKind.OTHER,
            id="citation",
        ),
        pytest.param('{"type":"novel_delta","a":1}', DeltaKind.OTHER, id="unknown"),
        pytest.param('{"type":"novel_delta"}', None, id="unknown-empty"),
        pytest.param('{"type":["text_delta"],"a":1}', DeltaKind.OTHER, id="odd-type"),
        pytest.param("null", None, id="null"),
    ],
)
def test_a_delta_is_of_the_kind_that_it_adds(
    delta: str, kind: DeltaKind | None
) -> None:
    data = f'{{"type":"content_block_delta","index":0,"delta":{delta}}}'

    assert delta_kind(read_event(encode_event(data, name="any"))) is kind


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        *((raw, None) for raw in (START, BLOCK, LAST_DELTA, STOP, ERROR, b": a\n\n")),
        (b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', DeltaKind.TEXT),
        (b'data: {"choices":[{"delta":{"content":""}}]}\n\n', None),
    ],
)
def test_other_events_are_a_delta_only_with_text(
    raw: bytes, kind: DeltaKind | None
) -> None:
    assert delta_kind(read_event(raw)) is kind


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param([], "", id="empty"),
        pytest.param(None, "", id="null"),
        pytest.param(
            [
                {"type": "thinking", "thinking": "x", "text": "x"},
                {"type": "text", "text": "It is "},
                {"type": "tool_use", "input": {}},
                {"type": "text", "text": "green."},
            ],
            "It is green.",
            id="text-blocks-only",
        ),
        pytest.param([5, {"type": "text"}, {"type": "text", "text": 5}], "", id="odd"),
    ],
)
def test_the_text_of_a_message_is_that_of_its_text_blocks(
    content: object, text: str
) -> None:
    assert message_text({"content": content}) == text
