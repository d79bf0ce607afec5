"""
Deltas: the text of each is found, and can be replaced without a change of the rest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamtape.core.streams.deltas import (
    find_begun,
    find_delta,
    find_ended,
    find_plain,
)
from streamtape.core.streams.sse import parse_event
from streamtape.testing import PING, api_event


def delta(text: str, index: int = 0, kind: str = "text") -> bytes:
    data = {"type": f"{kind}_delta", kind: text}
    return api_event({"type": "content_block_delta", "index": index, "delta": data})


def data_event(data: object, *, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


EVENTS = {
    "text": delta("x"),
    "thinking": delta("x", kind="thinking"),
    "tool": api_event(
        {
            "type": "content_block_delta",
            "index": 3,
            "delta": {"type": "input_json_delta", "partial_json": "x"},
        }
    ),
    "start": api_event(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": "x"},
        }
    ),
    "other-spelling": data_event(
        {
            "delta": {"text": "x", "type": "text_delta", "é": [1.5, None]},
            "index": 0,
            "type": "content_block_delta",
        },
        name="content_block_delta",
    ),
    "crlf": delta("x").replace(b"\n", b"\r\n"),
    "responses": data_event(
        {"type": "response.output_text.delta", "output_index": [1], "delta": "x"}
    ),
    "chat": data_event({"choices": [{"index": 0, "delta": {"content": "x"}}]}),
    "chat-tool": data_event(
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "x"}}]}}]}
    ),
    "gemini": data_event({"candidates": [{"content": {"parts": [{"text": "x"}]}}]}),
}

TEXTS = ["", "y", 'é "\\\n\t\0', "😀\u2028", "\ud83d", "\\u0041", "}"]


def data_of(raw: bytes) -> Any:
    return json.loads(parse_event(raw).data or "")


@pytest.mark.case(75)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("raw", EVENTS.values(), ids=EVENTS)
def test_a_text_can_be_replaced_and_all_else_stays(raw: bytes, text: str) -> None:
    found = find_delta(raw)
    assert found is not None
    assert found.text == b"x"

    replaced = found.replaced(text.encode(errors="surrogatepass"))

    assert parse_event(replaced).name == parse_event(raw).name
    expected = json.dumps(data_of(raw)).replace('"x"', json.dumps(text))
    assert data_of(replaced) == json.loads(expected)
    again = find_delta(replaced)
    assert again is not None
    assert again.place == found.place
    assert again.text == text.encode(errors="surrogatepass")


@pytest.mark.parametrize(
    "raw",
    [
        PING,
        b"",
        b": comment\n\n",
        b"data: [DONE]\n\n",
        b"event: content_block_delta\ndata: {\n\n",
        b'data: {"type": "content_block_delta", "delta": ["text"]}\n\n',
        b'data: {"type": "content_block_delta", "delta": {"text": 1}}\n\n',
        b'data: {"choices": [{"delta": {"content": null}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": []}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": []}}]}\n\n',
        b'data: {"delta": ' + b"[" * 5000 + b"\n\n",
        delta("x")[:-8],
        api_event(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "signature_delta", "signature": "sk-ant-x"},
            }
        ),
    ],
)
def test_what_adds_to_no_text_is_no_delta(raw: bytes) -> None:
    assert find_delta(raw) is None
    assert find_plain(raw) is None


@pytest.mark.parametrize("raw", EVENTS.values(), ids=EVENTS)
def test_the_shortcut_says_what_the_delta_says(raw: bytes) -> None:
    found = find_delta(raw)
    assert found is not None
    assert find_plain(raw) in (None, (found.place, found.text))
    assert find_plain(EVENTS["text"]) == ((b"text", b"0"), b"x")


def test_each_text_has_a_place_of_its_own() -> None:
    raws = [delta("x", 0), delta("x", 1), delta("x", 0, "thinking"), EVENTS["chat"]]

    found = [find_delta(raw) for raw in raws]

    assert len({each.place for each in found if each is not None}) == len(raws)


def test_a_block_and_its_deltas_are_one_text() -> None:
    start, other = find_delta(EVENTS["start"]), find_delta(EVENTS["other-spelling"])
    plain = find_plain(delta("x"))

    assert start is not None
    assert other is not None
    assert plain is not None
    assert start.place == other.place == plain[0]


@pytest.mark.parametrize(
    ("raw", "ended"),
    [
        (api_event({"type": "content_block_stop", "index": 0}), [(b"text", b"0")]),
        (api_event({"type": "content_block_stop", "index": 2}), []),
        (api_event({"type": "message_stop"}), [(b"text", b"0"), (b"text", b"1")]),
        (api_event({"type": "ping", "text": "message_stop"}), []),
        (b"data: message_stop\n\n", []),
        (PING, []),
    ],
)
def test_a_text_ends_with_its_block_or_message(
    raw: bytes, ended: list[tuple[bytes, bytes]]
) -> None:
    places = [(b"text", b"0"), (b"text", b"1")]

    assert find_ended(raw, places) == ended


def test_the_text_of_an_event_that_was_cut_off_is_found() -> None:
    raw = delta('a "b"\\')
    start = raw.index(b'"text":"') + len(b'"text":"')
    whole = len(rb"a \"b\"\\")

    for cut in range(start):
        assert find_begun(raw[:cut]) is None
    for cut in range(start, len(raw)):
        span = find_begun(raw[:cut])
        assert span is not None
        assert span[0] == start
        # Half of an escape stays out.
        assert min(cut - start, whole) - 1 <= span[1] - start <= whole
