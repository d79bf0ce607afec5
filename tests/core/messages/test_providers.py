"""What is known of the streams of other providers, each in the shape that it sends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from foreign import amazon_frame
from streamtape.core.messages.deltas import read_event
from streamtape.core.messages.events import DeltaKind, StreamSummary, delta_kind
from streamtape.core.messages.providers import find_output_tokens, read_said
from streamtape.core.sse import encode_event
from streamtape.core.stream_formats import StreamFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream of two pieces of text, "Hel" and "lo", and what is to be found in it."""

    events: list[bytes]
    stop_reason: str
    last: int = -1
    """Which of the events is the last word."""
    stream_format: StreamFormat = StreamFormat.SSE
    model: str | None = "demo"
    usage: dict[str, int] = field(default_factory=dict)
    output_tokens: int | None = None


def sse(*values: Any, done: bool = False) -> list[bytes]:
    events = [encode_event(json.dumps(value)) for value in values]
    return [*events, encode_event("[DONE]")] if done else events


def chat(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"model": "demo", "choices": [choice]}


def gemini(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}]}, **more}
    return {"modelVersion": "demo", "candidates": [candidate]}


def lines(*values: Any) -> list[bytes]:
    return [json.dumps({"model": "demo", **value}).encode() + b"\n" for value in values]


_USED: Final = {"prompt_tokens": 3, "completion_tokens": 2}
_COUNTED: Final = {"input_tokens": 3, "output_tokens": 2}
_META: Final = {"promptTokenCount": 3, "candidatesTokenCount": 2}
_AMAZON: Final = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}

STREAMS: Final = {
    "chat": Stream(
        events=sse(
            chat({"role": "assistant", "content": ""}),
            chat({"content": "Hel"}),
            chat({"content": "lo"}),
            chat({}, "stop"),
            {"model": "demo", "choices": [], "usage": _USED},
            done=True,
        ),
        stop_reason="stop",
        last=3,
        usage=_USED,
        output_tokens=2,
    ),
    "chat-parts": Stream(
        events=sse(
            chat({"content": [{"type": "text", "text": "Hel"}]}),
            chat({"content": "lo"}, "length"),
        ),
        stop_reason="length",
    ),
    "completions": Stream(
        events=sse(
            {"model": "demo", "choices": [{"text": "Hel", "finish_reason": None}]},
            {"model": "demo", "choices": [{"text": "lo", "finish_reason": "stop"}]},
        ),
        stop_reason="stop",
    ),
    "responses": Stream(
        events=sse(
            {"type": "response.created", "response": {"model": "demo"}},
            {"type": "response.output_text.delta", "delta": "Hel"},
            {"type": "response.output_text.delta", "delta": "lo"},
            {
                "type": "response.completed",
                "response": {"status": "completed", "usage": _COUNTED},
            },
        ),
        stop_reason="completed",
        usage=_COUNTED,
        output_tokens=2,
    ),
    "gemini": Stream(
        events=sse(
            gemini("Hel"),
            gemini("lo", finishReason="STOP") | {"usageMetadata": _META},
        ),
        stop_reason="STOP",
        usage=_META,
        output_tokens=2,
    ),
    "gemini-array": Stream(
        events=[
            b"[" + json.dumps(gemini("Hel")).encode(),
            b",\r\n" + json.dumps(gemini("lo", finishReason="STOP")).encode(),
        ],
        stop_reason="STOP",
        stream_format=StreamFormat.ARRAY,
    ),
    "converse": Stream(
        events=[
            amazon_frame(json.dumps(value).encode(), event_type=name)
            for name, value in [
                ("messageStart", {"role": "assistant"}),
                (
                    "contentBlockDelta",
                    {"contentBlockIndex": 0, "delta": {"text": "Hel"}},
                ),
                (
                    "contentBlockDelta",
                    {"contentBlockIndex": 0, "delta": {"text": "lo"}},
                ),
                ("contentBlockStop", {"contentBlockIndex": 0}),
                ("messageStop", {"stopReason": "end_turn"}),
                ("metadata", {"usage": _AMAZON}),
            ]
        ],
        stop_reason="end_turn",
        last=4,
        stream_format=StreamFormat.AMAZON,
        model=None,
        usage=_AMAZON,
        output_tokens=2,
    ),
    "ollama": Stream(
        events=lines(
            {"message": {"content": "Hel"}, "done": False},
            {"message": {"content": "lo"}, "done": False},
            {
                "message": {"content": ""},
                "done": True,
                "done_reason": "stop",
                "eval_count": 2,
            },
        ),
        stop_reason="stop",
        stream_format=StreamFormat.LINES,
        usage={"eval_count": 2},
        output_tokens=2,
    ),
    "ollama-generate": Stream(
        events=lines(
            {"response": "Hel", "done": False},
            {"response": "lo", "done": True, "done_reason": "length"},
        ),
        stop_reason="length",
        stream_format=StreamFormat.LINES,
    ),
    "cohere": Stream(
        events=sse(
            *(
                {
                    "type": "content-delta",
                    "delta": {"message": {"content": {"text": text}}},
                }
                for text in ("Hel", "lo")
            ),
            {
                "type": "message-end",
                "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": _COUNTED}},
            },
        ),
        stop_reason="COMPLETE",
        model=None,
        usage=_COUNTED,
        output_tokens=2,
    ),
    "cohere-1": Stream(
        events=lines(
            {"event_type": "text-generation", "text": "Hel"},
            {"event_type": "text-generation", "text": "lo"},
            {"event_type": "stream-end", "finish_reason": "COMPLETE"},
        ),
        stop_reason="COMPLETE",
        stream_format=StreamFormat.LINES,
        model=None,
    ),
    "legacy": Stream(
        events=sse(
            {"type": "completion", "completion": "Hel", "model": "demo"},
            {"type": "completion", "completion": "lo", "stop_reason": "stop_sequence"},
        ),
        stop_reason="stop_sequence",
    ),
}
every = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@every
def test_a_stream_says_its_text_model_usage_and_end(stream: Stream) -> None:
    summary = StreamSummary()
    said = []
    for raw in stream.events:
        event = read_event(raw, stream.stream_format)
        summary.feed(event)
        said.append(read_said(event))

    assert "".join(each.text for each in said if each is not None) == "Hello"
    assert summary.model == stream.model
    assert summary.stop_reason == stream.stop_reason
    assert summary.usage == stream.usage
    assert find_output_tokens(summary.usage) == stream.output_tokens
    assert summary.error_type is None


@every
def test_only_with_its_last_word_it_is_over(stream: Stream) -> None:
    """Cut at the edge of any event before, it is not."""
    last = stream.last % len(stream.events)
    summary = StreamSummary()
    for number, raw in enumerate(stream.events):
        summary.feed(read_event(raw, stream.stream_format))

        assert summary.is_over == (number >= last)
        assert summary.is_foreign or number == 3


@every
def test_the_first_token_is_the_first_text(stream: Stream) -> None:
    events = [read_event(raw, stream.stream_format) for raw in stream.events]
    kinds = [delta_kind(event) for event in events]

    assert kinds.count(DeltaKind.TEXT) == 2
    assert set(kinds) <= {DeltaKind.TEXT, None}


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (read_event(sse({"error": {"type": "server_error"}})[0]), "server_error"),
        (
            read_event(sse({"error": {"code": 503, "status": "UNAVAILABLE"}})[0]),
            "UNAVAILABLE",
        ),
        (read_event(b'{"error": "stopped"}\n', StreamFormat.LINES), "error"),
        (
            read_event(
                amazon_frame(b'{"message":"slow"}', exception="throttlingException"),
                StreamFormat.AMAZON,
            ),
            "throttlingException",
        ),
    ],
    ids=["chat", "gemini", "ollama", "amazon"],
)
def test_an_error_in_mid_stream_is_its_end(event: Any, word: str) -> None:
    summary = StreamSummary()
    summary.feed(read_event(STREAMS["chat"].events[1]))
    summary.feed(event)

    assert summary.error_type == word
    assert summary.is_over


@pytest.mark.parametrize(
    "value",
    [
        {"choices": [{"message": {"content": "whole"}}]},
        {"choices": []},
        {"choices": [7]},
        {"title": "wash up", "done": False},
        {"candidates": 3},
        {"error": None},
        {"delta": {"text": "x"}},
        {"type": "completion"},
    ],
)
def test_what_only_resembles_one_is_none(value: object) -> None:
    event = read_event(encode_event(json.dumps(value)))

    assert read_said(event) is None
