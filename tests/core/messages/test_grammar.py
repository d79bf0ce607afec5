from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.messages.deltas import EventReader
from streamtape.core.messages.grammar import Grammar, is_whole_event
from streamtape.core.sse import EventSplitter, encode_event
from streamtape.library import read_cassette
from streamtape.testing import (
    api_event,
    char_citation,
    message_stream,
    redacted_thinking,
    refusal,
    text,
    thinking,
    tool_use,
    unknown_block,
    unknown_event,
)

SHIPPED = sorted((Path(__file__).parents[3] / "cassettes").rglob("*.tape"))

START = api_event({"type": "message_start", "message": {}})
STOP = api_event({"type": "message_stop"})
DONE = api_event({"type": "message_delta", "delta": {}})
PING = api_event({"type": "ping"})
ERROR = api_event({"type": "error", "error": {"type": "overloaded_error"}})


def begin(index: Any = 0, kind: Any = "text") -> bytes:
    return api_event(
        {"type": "content_block_start", "index": index, "content_block": {"type": kind}}
    )


def add(index: Any = 0, kind: Any = "text_delta") -> bytes:
    return api_event(
        {"type": "content_block_delta", "index": index, "delta": {"type": kind}}
    )


def close(index: Any = 0) -> bytes:
    return api_event({"type": "content_block_stop", "index": index})


def faults(*raws: bytes, is_complete: bool = True) -> list[str]:
    reader, grammar = EventReader(), Grammar()
    found = [fault for raw in raws for fault in grammar.feed(raw, reader.read(raw))]
    return found + grammar.end(is_complete=is_complete)


BLOCK = (begin(), add(), close())
WHOLE = (START, *BLOCK, DONE, STOP)


@pytest.mark.parametrize(
    "items",
    [
        [text("Hi"), tool_use("get", {"a": 1})],
        [thinking("Hm"), redacted_thinking(), text("So")],
        [text("See", citations=[char_citation("S", start=0, document_title="t")])],
        [refusal()],
        [unknown_block(), unknown_event(), text("Hi")],
    ],
    ids=["text-and-tool", "thinking", "citations", "refusal", "unknown"],
)
def test_a_stream_as_the_api_sends_it_has_no_fault(items: list[Any]) -> None:
    assert faults(*message_stream(*items, pings=3)) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_cassettes_have_no_fault(path: Path) -> None:
    cassette = read_cassette(path)

    raws = [part.raw for part in cassette.events]

    assert faults(*raws, is_complete=cassette.ending.is_complete) == []


@pytest.mark.parametrize(
    ("raws", "wanted"),
    [
        ([*BLOCK, DONE, STOP], ["content_block_start before message_start"]),
        ([START, *WHOLE], ["a second message_start"]),
        ([START, begin(1), close(1), DONE, STOP], ["expected block 0 to begin, got 1"]),
        (
            [START, begin(), begin(1), close(1), DONE, STOP],
            ["content_block_start while block 0 is open"],
        ),
        (
            [START, add(), *BLOCK, DONE, STOP],
            ["a delta for block 0, which is not open"],
        ),
        (
            [START, begin(), add(1), close(), DONE, STOP],
            ["a delta for block 1, which is not open"],
        ),
        (
            [START, *BLOCK, close(), DONE, STOP],
            ["content_block_stop for block 0, which is not open"],
        ),
        (
            [START, begin(), add(kind="input_json_delta"), close(), DONE, STOP],
            ["input_json_delta in a block of type text"],
        ),
        (
            [START, begin(), add(kind=None), close(), DONE, STOP],
            ["a delta without a type"],
        ),
        (
            [START, begin(kind=None), add(), close(), DONE, STOP],
            ["content_block_start without the type of its block"],
        ),
        ([START, begin(), DONE, STOP], ["message_delta while block 0 is open"]),
        (
            [START, DONE, *BLOCK, STOP],
            ["a block begins after message_delta"],
        ),
        ([START, *BLOCK, STOP], ["message_stop without a message_delta"]),
        ([*WHOLE, DONE], ["message_delta after the last word, message_stop"]),
        ([START, ERROR, STOP], ["message_stop after the last word, error"]),
        (
            [START, *BLOCK, DONE],
            ["it has no message_stop, although it is said to be complete"],
        ),
        (
            [*WHOLE[:-1], encode_event('{"type": "message_stop"}')],
            ["message_stop without an event name: the SDKs pass over it"],
        ),
        (
            [*WHOLE[:-1], encode_event('{"type": "message_stop"}', name="bye")],
            ["its name is bye and its type message_stop"],
        ),
        (
            [*WHOLE[:-1], encode_event("{", name="message_stop"), STOP],
            ["its data is not JSON"],
        ),
        (
            [*WHOLE[:-1], encode_event("[]", name="message_stop"), STOP],
            ["its data is not a JSON object"],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)
def test_what_is_odd_is_said_once(raws: list[bytes], wanted: list[str]) -> None:
    assert faults(*raws) == wanted


@pytest.mark.parametrize(
    "raws",
    [
        [PING, START, PING, begin(), PING, close(), DONE, PING, STOP, PING],
        [START, begin(), add(), ERROR],
        [ERROR],
        [START, encode_event("no JSON at all", name="error")],
        [
            START,
            begin(kind="later"),
            add(),
            add(kind="later_delta"),
            close(),
            DONE,
            STOP,
        ],
        [START, begin(), add(kind="later_delta"), close(), DONE, DONE, STOP],
        [*WHOLE, api_event({"type": "later"}), b": a comment\n\n", b"\n\n"],
        [b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"],
        [encode_event('{"type": "response.created"}', name="response.created")],
        [],
    ],
    ids=[
        "pings-anywhere",
        "an-error-ends-it",
        "an-error-alone",
        "an-error-in-plain-text",
        "an-unknown-block",
        "an-unknown-delta",
        "unknown-events",
        "another-provider",
        "one-more-provider",
        "nothing",
    ],
)
def test_what_may_come_is_no_fault(raws: list[bytes]) -> None:
    assert faults(*raws) == []


def test_a_stream_that_broke_off_may_stop_anywhere() -> None:
    stream = b"".join(WHOLE)
    for size in range(len(stream)):
        splitter = EventSplitter()
        raws = [*splitter.feed(stream[:size]), splitter.rest]
        assert faults(*raws, is_complete=False) == []


def test_what_a_stream_says_is_shown_in_a_few_characters() -> None:
    (fault,) = faults(START, begin("x" * 1000), close("x" * 1000), DONE, STOP)

    assert fault == f"expected block 0 to begin, got {'x' * 39}…"


@given(st.lists(st.binary() | st.sampled_from([*WHOLE, ERROR, b"data: [1]\n\n"])))
def test_nothing_raises(raws: list[bytes]) -> None:
    faults(*raws)


def test_an_odd_delta_is_told_as_often_as_it_comes() -> None:
    """One like the last is passed over only if nothing was wrong with that."""
    delta = api_event(
        {
            "type": "content_block_delta",
            "index": 3,
            "delta": {"type": "text_delta", "text": "Hi"},
        }
    )

    assert len(faults(START, delta, delta, delta, DONE, STOP)) == 3


@given(st.lists(st.sampled_from([*message_stream(text("Hello, you")), *WHOLE, ERROR])))
def test_what_deltas_say_is_nothing_to_it(raws: list[bytes]) -> None:
    """Those with an escape are parsed each by each; the others needn't be."""
    escaped = [re.sub(rb'("text": ?")', rb"\1\\n", raw) for raw in raws]

    assert faults(*escaped) == faults(*raws)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n"])
def test_a_blank_line_ends_an_event(end: bytes) -> None:
    assert is_whole_event(b"data: 1" + end)
    assert not is_whole_event(b"data: 1" + end[:1])
