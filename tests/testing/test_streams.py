from __future__ import annotations

import json
import re
from typing import Any

import pytest

from streamtape.core.sse import EventSplitter, parse_event
from streamtape.testing import (
    PING,
    Block,
    Item,
    Page,
    char_citation,
    error_event,
    message_json,
    message_stream,
    raw,
    redacted_thinking,
    refusal,
    server_tool_result,
    server_tool_use,
    text,
    thinking,
    tool_use,
    unknown_block,
    unknown_delta,
    unknown_event,
    web_search_result,
)

WORDS = "Grüße aus Zürich, where the cat 🐈 sat on “the” mat.\n\n  It purred. "
CITATION = char_citation("the cat", start=4, document_title="Cats")


def read(events: list[bytes]) -> list[Any]:
    """Return the data of the events, pings left out."""
    return [
        json.loads(parse_event(event).data or "") for event in events if event != PING
    ]


def test_a_text_message_has_the_documented_order() -> None:
    kinds = [data["type"] for data in read(message_stream(text(WORDS)))]

    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("block", "start", "key"),
    [
        pytest.param(text(WORDS), {"type": "text", "text": ""}, "text", id="text"),
        pytest.param(
            thinking(WORDS, signature="c2ln"),
            {"type": "thinking", "thinking": "", "signature": ""},
            "thinking",
            id="thinking",
        ),
    ],
)
def test_the_deltas_joined_are_the_text(
    block: Block, start: dict[str, str], key: str
) -> None:
    data = read(message_stream(block))

    pieces = [event["delta"].get(key) for event in data[2:-3]]
    assert data[1]["content_block"] == start
    assert "".join(piece for piece in pieces if piece) == WORDS
    assert len(pieces) > 4


def test_a_signature_comes_whole_after_the_thinking() -> None:
    deltas = [event["delta"] for event in read(message_stream(thinking("Hm.")))[2:-3]]

    assert [delta["type"] for delta in deltas] == ["thinking_delta", "signature_delta"]
    assert len(deltas[-1]["signature"]) > 100


def test_citations_come_one_by_one_after_the_text() -> None:
    data = read(message_stream(text("Cats.", citations=[CITATION, CITATION])))

    assert data[1]["content_block"] == {"citations": [], "type": "text", "text": ""}
    assert [event["delta"] for event in data[-5:-3]] == [
        {"type": "citations_delta", "citation": CITATION}
    ] * 2


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(tool_use, id="tool_use"),
        pytest.param(server_tool_use, id="server_tool_use"),
    ],
)
def test_a_calls_input_begins_with_an_empty_piece(call: Any) -> None:
    arguments = {"query": "Zürich “weather”", "days": [1, 2, 3]}

    data = read(message_stream(call("find", arguments)))

    pieces = [event["delta"]["partial_json"] for event in data[2:-3]]
    assert data[1]["content_block"]["input"] == {}
    assert pieces[0] == ""
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == arguments


def test_a_call_without_arguments_writes_nothing() -> None:
    data = read(message_stream(tool_use("now", {})))

    assert [event["delta"]["partial_json"] for event in data[2:-3]] == [""]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(redacted_thinking(), id="redacted_thinking"),
        pytest.param(web_search_result(Page("T", "https://e.com")), id="web_search"),
        pytest.param(server_tool_result("web_fetch_tool_result", {}), id="web_fetch"),
        pytest.param(unknown_block(shape="cube"), id="unknown"),
    ],
)
def test_other_blocks_arrive_whole_without_deltas(block: Block) -> None:
    data = read(message_stream(block))

    final = json.loads(message_json(block))
    assert [event["type"] for event in data[1:3]] == [
        "content_block_start",
        "content_block_stop",
    ]
    assert [data[1]["content_block"]] == final["content"]


def test_a_result_refers_to_the_call_before_it() -> None:
    blocks = [
        server_tool_use("web_search", {"query": "a"}),
        web_search_result(),
        server_tool_use("web_search", {"query": "b"}, id="srvtoolu_given"),
        web_search_result(),
        web_search_result(tool_use_id="srvtoolu_other"),
    ]

    first, a, second, b, other = json.loads(message_json(*blocks))["content"]

    assert a["tool_use_id"] == first["id"]
    assert b["tool_use_id"] == second["id"] == "srvtoolu_given"
    assert other["tool_use_id"] == "srvtoolu_other"


def test_indices_are_contiguous_whatever_lies_between() -> None:
    data = read(message_stream(text("a"), unknown_event(), text("b"), text("c")))

    starts = [one["index"] for one in data if one["type"] == "content_block_start"]
    assert starts == [0, 1, 2]


def test_a_refusal_alone_has_no_blocks() -> None:
    data = read(message_stream(refusal("No.", category="bio")))

    assert [one["type"] for one in data] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert data[1]["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."},
    }


def test_an_error_ends_the_stream_within_the_block_before_it() -> None:
    events = message_stream(text("Hello"), error_event(), text("never"))

    assert [one["type"] for one in read(events)][-2:] == [
        "content_block_delta",
        "error",
    ]
    assert events[-1].startswith(b"event: error\n")
    assert b'"message":"Overloaded"} }\n\n' in events[-1]


def test_an_error_midway_has_no_form_without_streaming() -> None:
    with pytest.raises(ValueError, match="no form without streaming"):
        message_json(text("Hello"), error_event())


def test_unknown_deltas_and_events_leave_no_trace_in_the_message() -> None:
    items: list[Item] = [unknown_event(a=1), unknown_delta(text("Hi"), b=2)]

    sent = b"".join(message_stream(*items))

    assert b'{"type":"message_hint","a":1' in sent
    assert b'{"type":"mood_delta","b":2' in sent
    assert json.loads(message_json(*items))["content"] == [
        {"type": "text", "text": "Hi"}
    ]


def test_raw_bytes_go_out_as_they_are() -> None:
    assert b": a comment\r\n\r\n" in message_stream(
        text("a"), raw(b": a comment\r\n\r\n")
    )


def test_each_event_is_one_event_in_the_apis_serialisation() -> None:
    """LF only, named like its data, compact but for 0 to 15 spaces before the end."""
    events = message_stream(text(WORDS * 20), tool_use("find", {"q": "ü"}))

    form = re.compile(rb"event: (\w+)\ndata: (\{.+[^ ]) {0,15}\}\n\n")
    assert EventSplitter().feed(b"".join(events)) == events
    for event in events:
        if event == PING:
            continue
        match = form.fullmatch(event)
        assert match
        data = json.loads(match[2] + b"}")
        compact = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        assert compact.encode() == match[2] + b"}"
        assert data["type"] == match[1].decode()
    paddings = {len(event) - len(event.rstrip(b"}\n").rstrip(b" ")) for event in events}
    assert len(paddings) > 10


def test_the_first_ping_follows_the_first_block_start() -> None:
    events = message_stream(text(WORDS), pings=4)

    assert events.index(PING) == 2
    assert PING == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert events.count(PING) == 4
    assert PING not in events[-2:]
    assert PING not in message_stream(text(WORDS), pings=0)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        pytest.param([text("a")], "end_turn", id="text"),
        pytest.param([text("a"), tool_use("f", {})], "tool_use", id="tool"),
        pytest.param([tool_use("f", {}), text("a")], "end_turn", id="text-last"),
        pytest.param([text("a"), refusal()], "refusal", id="refusal"),
    ],
)
def test_the_stop_reason_is_told_by_the_items(items: list[Item], reason: str) -> None:
    message = json.loads(message_json(*items))

    assert message["stop_reason"] == reason
    assert read(message_stream(*items))[-2]["delta"]["stop_reason"] == reason


def test_fields_of_the_message_can_be_given() -> None:
    message = json.loads(
        message_json(
            text("a"),
            model="m-1",
            id="msg_given",
            stop_reason="max_tokens",
            usage={"output_tokens": 7},
        )
    )

    assert message["model"] == "m-1"
    assert message["id"] == "msg_given"
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 7


def test_the_seed_alone_decides() -> None:
    items = [thinking("Hm."), text(WORDS), tool_use("f", {"a": 1})]

    assert message_stream(*items, seed=1) == message_stream(*items, seed=1)
    assert message_json(*items, seed=1) == message_json(*items, seed=1)
    first, second = (json.loads(message_json(*items, seed=seed)) for seed in (1, 2))
    assert first["id"] != second["id"]
    assert first["content"][2]["id"] != second["content"][2]["id"]
    assert re.fullmatch(r"msg_01[0-9A-Za-z]{22}", first["id"])
    assert re.fullmatch(r"toolu_01[0-9A-Za-z]{22}", first["content"][2]["id"])


def test_ids_and_cuts_are_the_same_in_every_python() -> None:
    """A change of these changes what everybody recorded from a fake upstream."""
    message = json.loads(message_json(tool_use("f", {"a": 1}), seed=5))
    pieces = [
        event["delta"]["text"]
        for event in read(message_stream(text("One two three four five six."), seed=5))[
            2:-3
        ]
    ]

    assert message["id"] == "msg_01D49fsjLLgKp5gMUys4EGJM"
    assert message["content"][0]["id"] == "toolu_018pnN8eubhvQzRyjfZbLsig"
    assert pieces == ["One two three four", " five six."]
