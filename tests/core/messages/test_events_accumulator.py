from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeAlias

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.messages import events
from streamtape.core.messages.deltas import EventReader, read_event
from streamtape.core.messages.events import (
    MessageAccumulator,
    StreamSummary,
    delta_kind,
    message_text,
)
from streamtape.core.sse import encode_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Event: TypeAlias = dict[str, Any]


def final_message(raws: Iterable[bytes]) -> Event | None:
    return events.final_message(map(read_event, raws))


def stream_text(raws: Iterable[bytes]) -> str:
    return events.stream_text(map(read_event, raws))


def start(**fields: object) -> Event:
    """A message_start with no content yet."""
    message: Event = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-one",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 4,
            "cache_creation": None,
            "output_tokens": 1,
            "service_tier": "standard",
        },
    }
    return {"type": "message_start", "message": message | fields}


def block(index: int, kind: str, *deltas: Event, **fields: object) -> list[Event]:
    """A whole block: its start, its deltas and its stop."""
    at = {"index": index}
    return [
        {"type": "content_block_start"}
        | at
        | {"content_block": {"type": kind, **fields}},
        *({"type": "content_block_delta"} | at | {"delta": delta} for delta in deltas),
        {"type": "content_block_stop"} | at,
    ]


def delta(kind: str, **fields: object) -> Event:
    return {"type": kind, **fields}


def text(*pieces: str, index: int = 0) -> list[Event]:
    return block(index, "text", *(delta("text_delta", text=p) for p in pieces), text="")


def tool(*pieces: str, index: int = 0, kind: str = "tool_use") -> list[Event]:
    deltas = [delta("input_json_delta", partial_json=piece) for piece in pieces]
    return block(index, kind, *deltas, id="toolu_1", name="look", input={})


def message_delta(
    stop_reason: str | None = "end_turn",
    *,
    usage: object = None,
    event: Event | None = None,
    **fields: object,
) -> Event:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None, **fields},
        "usage": {"output_tokens": 25} if usage is None else usage,
        **(event or {}),
    }


STOP = {"type": "message_stop"}
END = [message_delta(), STOP]
CITATION = {
    "type": "char_location",
    "cited_text": "grass",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 5,
}
SEARCH_RESULT = {
    "type": "web_search_result",
    "title": "Grass",
    "url": "https://example.com/grass",
    "encrypted_content": "Zm9v",
    "page_age": None,
}

SHAPES: dict[str, list[Event]] = {
    "text": [start(), *text("Hello, ", "", "wörld 🎈"), *END],
    "several-texts": [start(), *text("a", "b"), *text("c", index=1), *END],
    "text-that-begins-in-its-start": [
        start(),
        *block(0, "text", delta("text_delta", text="b"), text="a"),
        *END,
    ],
    "thinking": [
        start(),
        *block(
            0,
            "thinking",
            delta("thinking_delta", thinking="Hm"),
            delta("thinking_delta", thinking="m."),
            delta("signature_delta", signature="c2ln"),
            delta("signature_delta", signature="bmF0"),
            thinking="",
            signature="",
        ),
        *text("Yes.", index=1),
        *END,
    ],
    "redacted-thinking": [
        start(),
        *block(0, "redacted_thinking", data="c2VjcmV0"),
        *text("Yes.", index=1),
        *END,
    ],
    "citations": [
        start(),
        *block(
            0,
            "text",
            delta("text_delta", text="It is green."),
            delta("citations_delta", citation=CITATION),
            delta("citations_delta", citation=CITATION | {"document_index": 1}),
            text="",
            citations=[],
        ),
        *END,
    ],
    "citations-without-a-list": [
        start(),
        *block(0, "text", delta("citations_delta", citation=CITATION), text=""),
        *END,
    ],
    "tool": [start(), *tool("", '{"pla', 'ce": "é\\n', '", "n": 1.5e3}'), *END],
    "tool-without-input": [start(), *tool(), *END],
    "tool-with-empty-input": [start(), *tool("", ""), *END],
    "tool-not-stopped": [start(), *tool('{"n": [1, null]}')[:-1]],
    "parallel-tools": [
        start(),
        *text("Wait.", index=0),
        *tool('{"a": 1}', index=1),
        *tool('{"b": 2}', index=2),
        message_delta("tool_use"),
        STOP,
    ],
    "interleaved-tools": [
        start(),
        *(tool('{"a": ', index=0)[:-1] + tool('{"b": ', index=1)[:-1]),
        *(tool("1}", index=0)[1:] + tool("2}", index=1)[1:]),
        *END,
    ],
    "server-tool": [
        start(),
        *tool('{"query": "grass"}', kind="server_tool_use"),
        *block(
            1,
            "web_search_tool_result",
            tool_use_id="toolu_1",
            content=[SEARCH_RESULT],
        ),
        *text("Green.", index=2),
        message_delta(
            usage={
                "input_tokens": 900,
                "cache_creation_input_tokens": 7,
                "cache_read_input_tokens": 0,
                "output_tokens": 40,
                "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
                "output_tokens_details": {"thinking_tokens": 3},
            }
        ),
        STOP,
    ],
    "null-usage-keeps-the-first": [
        start(),
        message_delta(usage={"input_tokens": None, "output_tokens": 2}),
        STOP,
    ],
    "several-message-deltas": [
        start(),
        *text("a"),
        message_delta("pause_turn", usage={"output_tokens": 5, "input_tokens": 11}),
        message_delta("stop_sequence", stop_sequence="END", usage={"output_tokens": 9}),
        STOP,
    ],
    "refusal-before-output": [
        start(),
        message_delta(
            "refusal",
            stop_details={
                "type": "refusal",
                "category": "cyber",
                "explanation": "No.",
            },
        ),
        STOP,
    ],
    "container": [
        start(),
        *block(0, "container_upload", file_id="file_1"),
        message_delta(
            container={"id": "container_1", "expires_at": "2030-01-02T03:04:05Z"}
        ),
        message_delta(container=None),
        STOP,
    ],
    "pings": [
        {"type": "ping"},
        start(),
        {"type": "ping"},
        *text("a"),
        *END,
    ],
    "before-the-start": [*text("lost"), message_delta(), start(), *text("a"), *END],
    "unknown-event": [
        {"type": "novelty", "delta": {"text": "x"}},
        start(),
        {"type": "novelty", "index": 0},
        *text("a"),
        *END,
    ],
    "unknown-delta": [
        start(),
        *block(0, "text", delta("novel_delta", text="x"), text=""),
        *END,
    ],
    "delta-of-another-block": [
        start(),
        *block(
            0,
            "text",
            delta("thinking_delta", thinking="x"),
            delta("signature_delta", signature="x"),
            delta("input_json_delta", partial_json="{"),
            text="",
        ),
        *block(1, "thinking", delta("text_delta", text="x"), thinking="a"),
        *END,
    ],
    "unknown-block": [
        start(),
        *block(0, "novelty", delta("text_delta", text="x"), inner={"deep": [1]}),
        *END,
    ],
    "indices-in-the-start-do-not-count": [
        start(),
        *text(index=7)[:1],
        *block(3, "thinking", thinking="")[:1],
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": delta("text_delta", text="a"),
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": delta("thinking_delta", thinking="b"),
        },
    ],
    "second-start": [
        start(),
        *text("a"),
        start(id="msg_2", model="claude-two", usage={"output_tokens": 99}),
        *text("b"),
        *END,
    ],
    "unknown-fields": [
        start(novelty={"a": 1}),
        *block(0, "text", delta("text_delta", text="a"), text="", novelty=[1]),
        *END,
    ],
    "cut-in-a-text": [start(), *text("a", "b")[:-1]],
    "cut-after-the-start": [start()],
}
"""Streams that the stable and the beta helpers accumulate alike."""

BETA_SHAPES: dict[str, list[Event]] = {
    "compaction": [
        start(),
        *block(
            0,
            "compaction",
            delta("compaction_delta", content="short", encrypted_content="YQ=="),
            delta("compaction_delta", content="shorter", encrypted_content="Yg=="),
            content=None,
            encrypted_content=None,
        ),
        message_delta("compaction"),
        STOP,
    ],
    "fallback": [
        start(),
        *text("a"),
        *block(
            1,
            "fallback",
            **{"from": {"model": "claude-one"}, "to": {"model": "claude-two"}},
        ),
        *text("b", index=2),
        *END,
    ],
    "mcp-tool": [
        start(),
        *block(
            0,
            "mcp_tool_use",
            delta("input_json_delta", partial_json='{"a": '),
            delta("input_json_delta", partial_json="1}"),
            id="mcptoolu_1",
            name="look",
            server_name="shed",
            input={},
        ),
        *END,
    ],
    "fields-of-the-event": [
        start(context_management=None, input_transformations=[]),
        message_delta(
            event={
                "context_management": {
                    "applied_edits": [
                        {
                            "type": "clear_tool_uses_20250919",
                            "cleared_input_tokens": 5,
                            "cleared_tool_uses": 1,
                        }
                    ]
                },
                "input_transformations": [{"type": "thinking_dropped", "path": "a"}],
            },
        ),
        message_delta(event={"context_management": None}),
        STOP,
    ],
    "usage-of-beta": [
        start(),
        message_delta(
            usage={
                "output_tokens": 5,
                "iterations": [
                    {"type": "message", "input_tokens": 1, "output_tokens": 5}
                ],
                "fallback_credit": {"type": "novelty"},
            }
        ),
        STOP,
    ],
}


def wire(events: Sequence[Event]) -> list[bytes]:
    """Spell events as the API does."""
    return [
        encode_event(json.dumps(event, separators=(",", ":")), name=event["type"])
        for event in events
    ]


def sdk_message(raw_events: list[bytes], *, beta: bool) -> object:
    """
    Return what the SDK's stream helper accumulates.

    Its warnings are about values that its types don't list, which are kept all the
    same.
    """
    answer = httpx2.Response(
        200,
        headers={"content-type": "text/event-stream"},
        content=b"".join(raw_events),
    )
    transport = httpx2.MockTransport(lambda _: answer)
    with (
        httpx2.Client(transport=transport) as http_client,
        anthropic.Anthropic(http_client=http_client, api_key="unused") as client,
    ):
        if beta:
            with client.beta.messages.stream(
                model="any", max_tokens=1, messages=[{"role": "user", "content": "Hi"}]
            ) as beta_stream:
                return beta_stream.get_final_message().to_dict(
                    mode="json", warnings=False
                )
        with client.messages.stream(
            model="any", max_tokens=1, messages=[{"role": "user", "content": "Hi"}]
        ) as stream:
            return stream.get_final_message().to_dict(mode="json", warnings=False)


each_shape = pytest.mark.parametrize(
    "events",
    [pytest.param(events, id=name) for name, events in (SHAPES | BETA_SHAPES).items()],
)


@pytest.mark.parametrize(
    "events", [pytest.param(events, id=name) for name, events in SHAPES.items()]
)
def test_the_message_is_the_one_of_the_sdk(events: list[Event]) -> None:
    raw_events = wire(events)

    assert final_message(raw_events) == sdk_message(raw_events, beta=False)


@each_shape
def test_the_message_is_the_one_of_the_sdk_in_beta(events: list[Event]) -> None:
    raw_events = wire(events)

    assert final_message(raw_events) == sdk_message(raw_events, beta=True)


@each_shape
def test_the_summary_says_the_same_as_the_message(events: list[Event]) -> None:
    """Its words match, and it is over exactly where there was a message_stop."""
    raw_events = wire(events)
    reader, summary = EventReader(), StreamSummary()
    for raw in raw_events:
        summary.feed(reader.read(raw))

    message = final_message(raw_events)

    assert message is not None
    assert summary.is_messages
    assert summary.model == message["model"]
    assert summary.stop_reason == message["stop_reason"]
    assert summary.usage == message["usage"]
    assert summary.error_type is None
    assert summary.is_over == (STOP in events)


@each_shape
def test_the_text_of_the_stream_is_that_of_the_message(events: list[Event]) -> None:
    raw_events = wire(events)

    message = final_message(raw_events)

    assert message is not None
    assert stream_text(raw_events) == message_text(message)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(['{"place": "Par'], id="cut"),
        pytest.param(['{"place": ', "oops}"], id="never-json"),
        pytest.param(["[" * 100_000], id="too-deep"),
    ],
)
def test_tool_input_that_is_not_json_is_kept_as_it_came(pieces: list[str]) -> None:
    message = final_message(wire([start(), *tool(*pieces)]))

    assert message is not None
    assert message["content"][0]["input"] == "".join(pieces)


def test_the_message_can_be_read_between_events() -> None:
    """Reading it changes nothing, and None says that it has not begun."""
    accumulator = MessageAccumulator()
    seen = []
    for raw in wire([{"type": "ping"}, start(), *text("a", "b"), *tool("[1", "]")]):
        message = accumulator.message
        seen.append(message and message_text(message))
        accumulator.add(read_event(raw))

    assert seen == [None, None, "", "", "a", "ab", "ab", "ab", "ab", "ab"]


def test_a_usage_counter_that_is_not_known_overwrites_too() -> None:
    message = final_message(
        wire([start(), message_delta(usage={"output_tokens": 2, "novelty": 3})])
    )

    assert message is not None
    assert message["usage"]["novelty"] == 3
    assert message["usage"]["input_tokens"] == 10


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"index": 1}, id="beyond-the-last-block"),
        pytest.param({"index": -1}, id="negative"),
        pytest.param(
            {"index": -1, "delta": delta("citations_delta", citation=CITATION)},
            id="negative-citation",
        ),
        pytest.param({"index": "0"}, id="text"),
        pytest.param({"index": False}, id="bool"),
        pytest.param({"index": None}, id="null"),
        pytest.param({"delta": None}, id="no-delta"),
        pytest.param({"delta": {"type": "text_delta", "text": 5}}, id="no-text"),
    ],
)
def test_a_delta_that_fits_nowhere_is_passed_over(bad: Event) -> None:
    good: Event = {
        "type": "content_block_delta",
        "index": 0,
        "delta": delta("text_delta", text="b"),
    }
    begun = [start(), *text("a")[:2]]

    assert final_message(wire([*begun, good | bad, good])) == final_message(
        wire([*begun, good])
    )


def test_what_is_no_object_is_passed_over() -> None:
    """Content that isn't a list is none; a message_delta keeps what it doesn't say."""
    odd: list[Event] = [
        start(content=5),
        {"type": "content_block_start", "index": 0, "content_block": "text"},
        *text("a"),
        message_delta("refusal"),
        message_delta() | {"delta": [], "usage": []},
    ]

    message = final_message(wire(odd))

    assert message is not None
    assert message["content"] == [{"type": "text", "text": "a"}]
    assert message["stop_reason"] == "refusal"
    assert message["usage"]["output_tokens"] == 25


def test_a_delta_for_content_that_is_no_block_is_passed_over() -> None:
    events = [start(content=[None]), *text("a")[1:], *text("b", index=1)]

    assert stream_text(wire(events)) == "b"


def test_a_stream_without_a_message_has_none() -> None:
    assert final_message(wire([*text("a"), *END])) is None
    assert final_message([]) is None


@pytest.mark.parametrize(
    ("raw_events", "expected"),
    [
        pytest.param(
            [
                b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n',
                b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n',
                b'data: {"choices":[{"index":1,"delta":{"content":"other"}}]}\n\n',
                b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n',
                b'data: {"choices":[],"usage":{"completion_tokens":2}}\n\n',
                b"data: [DONE]\n\n",
            ],
            "Hello",
            id="openai-chat",
        ),
        pytest.param(
            [
                b'data: {"type":"response.created","response":{}}\n\n',
                b'data: {"type":"response.output_text.delta","delta":"Hel"}\n\n',
                b'data: {"type":"response.output_text.delta","delta":"lo"}\n\n',
                b'data: {"type":"response.output_text.done","text":"Hello"}\n\n',
            ],
            "Hello",
            id="openai-responses",
        ),
        pytest.param(
            [
                b'data: {"candidates":[{"content":{"parts":[{"text":"Hm","thought":'
                b'true},{"text":"He"}]}}]}\n\n',
                b'data: {"candidates":[{"content":{"parts":[{"text":"ll"},{"text":"o"'
                b'},{"functionCall":{}}]}}]}\n\n',
                b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n',
            ],
            "Hello",
            id="gemini",
        ),
        pytest.param(
            [
                b'data: {"choices":[{"delta":{"content":[{"type":"text","text":"Hel"},'
                b'{"type":"image_url"}]}}]}\n\n',
                b'data: {"choices":[{"delta":{"content":"lo"}}]}\n\n',
            ],
            "Hello",
            id="chat-in-parts",
        ),
        *(
            pytest.param(
                [b"data: " + template % piece + b"\n\n" for piece in (b"Hel", b"lo")],
                "Hello",
                id=name,
            )
            for name, template in {
                "completions": b'{"choices":[{"index":0,"text":"%s"}]}',
                "legacy": b'{"type":"completion","completion":"%s"}',
                "converse": b'{"contentBlockIndex":0,"delta":{"text":"%s"}}',
                "cohere": b'{"type":"content-delta","index":0,"delta":'
                b'{"message":{"content":{"text":"%s"}}}}',
                "cohere-1": b'{"event_type":"text-generation","text":"%s"}',
                "ollama-chat": b'{"message":{"content":"%s"},"done":false}',
                "ollama-generate": b'{"response":"%s","done":false}',
            }.items()
        ),
        pytest.param([b'data: {"choices":5}\n\n', b"data: 5\n\n"], "", id="none"),
    ],
)
def test_text_of_other_providers_is_assembled(
    raw_events: list[bytes], expected: str
) -> None:
    assert stream_text(raw_events) == expected


@st.composite
def broken_streams(draw: st.DrawFn) -> list[Event]:
    """A stream of a known shape, with a few of its values replaced by any JSON."""
    events: list[Event] = draw(st.sampled_from(list((SHAPES | BETA_SHAPES).values())))
    events = deepcopy(events)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(places(events))))
        holder[key] = draw(ANY_JSON)
    return events


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object within a value, with each of its keys."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield value, key
            yield from places(value[key])


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["text", "tool_use", "message_delta", "text_delta"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def check_that_nothing_raises(raw_events: list[bytes]) -> None:
    accumulator = MessageAccumulator()
    reader, summary = EventReader(), StreamSummary()
    for raw in raw_events:
        summary.feed(reader.read(raw))
        event = read_event(raw)
        delta_kind(event)
        accumulator.add(event)
        if (message := accumulator.message) is not None:
            json.dumps(message)
            message_text(message)
    stream_text(raw_events)


@given(broken_streams())
def test_no_value_in_a_known_shape_makes_it_raise(events: list[Event]) -> None:
    check_that_nothing_raises(
        [encode_event(json.dumps(event), name="any") for event in events]
    )


@given(st.lists(ANY_JSON))
def test_no_json_makes_it_raise(values: list[object]) -> None:
    check_that_nothing_raises([encode_event(json.dumps(value)) for value in values])


@given(st.lists(st.binary()))
def test_no_bytes_make_it_raise(raw_events: list[bytes]) -> None:
    check_that_nothing_raises(raw_events)
