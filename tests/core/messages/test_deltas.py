"""
Deltas: the text of each is found, and can be replaced without a change of the rest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamtape.core.messages.deltas import (
    Delta,
    OrdinaryDeltas,
    Piece,
    find_begun,
    find_delta,
    find_ended,
)
from streamtape.core.sse import parse_event
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

EVENTS |= {
    "chat-second-choice": data_event(
        {"id": 7, "choices": [{"index": 1, "delta": {"content": "x"}}]}
    ),
    "chat-reasoning": data_event(
        {"choices": [{"index": 0, "delta": {"reasoning_content": "x"}}]}
    ),
    "gemini-second-part": data_event(
        {"candidates": [{"content": {"parts": [{"thought": True}, {"text": "x"}]}}]}
    ),
    "unknown": data_event({"token": {"t": ["x"]}}, name="token"),
    "json-text": data_event("x"),
    "no-json": b"data: x\n\n",
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
    piece = get_piece(found)

    replaced = replaced_piece(found, piece, text)

    assert parse_event(replaced).name == parse_event(raw).name
    if raw == EVENTS["no-json"]:
        assert parse_event(replaced).data == utf_8(text).decode(errors="replace")
        return
    expected = json.dumps(data_of(raw)).replace('"x"', json.dumps(text))
    assert data_of(replaced) == json.loads(expected)
    again = find_delta(replaced)
    assert again is not None
    assert (piece.place, utf_8(text)) in [each[:2] for each in again.pieces]


def get_piece(delta: Delta) -> Piece:
    [piece] = [each for each in delta.pieces if each.text == b"x"]
    return piece


def replaced_piece(delta: Delta, piece: Piece, text: str) -> bytes:
    texts = [utf_8(text) if each is piece else each.text for each in delta.pieces]
    return delta.replaced(texts)


def utf_8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@pytest.mark.parametrize(
    "raw",
    [
        PING,
        b"",
        b": comment\n\n",
        b'data: {"type": "content_block_delta", "delta": {"text": 1}}\n\n',
        b'data: {"choices": [{"delta": {"content": null}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": []}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": []}}]}\n\n',
        b'data: {"delta": ' + b"[" * 5000 + b"\n\n",
        b'data: {"type": "a", "signature": "sk-ant-x", "n": [1, true]}\n\n',
    ],
)
def test_what_adds_to_no_text_is_no_delta(raw: bytes) -> None:
    assert find_delta(raw) is None
    assert OrdinaryDeltas().find(raw) is None


def test_a_signature_is_no_text() -> None:
    delta = {"type": "signature_delta", "signature": "sk-ant-x"}
    found = find_delta(
        api_event({"type": "content_block_delta", "index": 0, "delta": delta})
    )

    assert found is not None
    assert b"sk-ant-x" not in [piece.text for piece in found.pieces]


@pytest.mark.parametrize("last", [*EVENTS.values(), b""], ids=[*EVENTS, "nothing"])
@pytest.mark.parametrize(
    "raw",
    [
        *EVENTS.values(),
        delta('a "b" \\ é\n\t'),
        delta('a"}}'),
        delta(""),
        delta("x").replace(b'"x"', b'"\\ud83d"'),
        delta("x").replace(b'"x"', b'"\\x"'),
        delta("x").replace(b'"x"', b'"x"y"'),
        delta("x").replace(b'"x"', b'"x'),
        delta("x").replace(b'"x"', b'"x\\"'),
        delta("x").replace(b'"x"', b'"x\\u00e"'),
        delta("x").replace(b'"x"', b'"x","text":"sk-ant-"'),
        delta("x").replace(b'"x"', b'"\xff\\n"'),
        delta("x") + b"\n",
        delta("x")[:-1],
        delta("x")[:-8],
    ],
)
def test_the_shortcut_says_what_the_delta_says(last: bytes, raw: bytes) -> None:
    """Whatever came before, and of other events nothing."""
    ordinary = OrdinaryDeltas()
    ordinary.find(last)
    found = find_delta(raw)

    said = ordinary.find(raw)

    if said is not None:
        place, text, is_plain = said
        assert found is not None
        assert [piece[:2] for piece in found.pieces] == [(place, text)]
        assert is_plain == (b"\\" not in raw)


def test_the_shortcut_takes_the_deltas_of_the_api() -> None:
    ordinary = OrdinaryDeltas()

    assert ordinary.find(delta("x")) == ((b"text", b"0"), b"x", True)
    assert ordinary.find(delta("y\n")) == ((b"text", b"0"), b"y\n", False)
    assert ordinary.find(delta("z", 1)) == ((b"text", b"1"), b"z", True)
    assert ordinary.find(PING) is None


def test_each_text_has_a_place_of_its_own() -> None:
    raws = [delta("x", 0), delta("x", 1), delta("x", 0, "thinking")]
    raws += [EVENTS[name] for name in ("chat", "chat-second-choice", "chat-reasoning")]
    raws += [EVENTS[name] for name in ("gemini", "gemini-second-part", "unknown")]

    found = [find_delta(raw) for raw in raws]

    places = {get_piece(each).place for each in found if each is not None}
    assert len(places) == len(raws)


def test_a_choice_is_told_by_its_number_and_not_by_its_position() -> None:
    alone = EVENTS["chat-second-choice"]
    choices = [{"index": n, "delta": {"content": "ax"[n]}} for n in range(2)]
    both = data_event({"choices": choices})

    found = [find_delta(raw) for raw in (alone, both)]

    assert len({get_piece(each).place for each in found if each is not None}) == 1


def test_a_block_and_its_deltas_are_one_text() -> None:
    start, other = find_delta(EVENTS["start"]), find_delta(EVENTS["other-spelling"])
    plain = OrdinaryDeltas().find(delta("x"))

    assert start is not None
    assert other is not None
    assert plain is not None
    assert get_piece(start).place == get_piece(other).place == plain[0]


@pytest.mark.parametrize(
    ("raw", "ended"),
    [
        (api_event({"type": "content_block_stop", "index": 0}), [(b"text", b"0")]),
        (api_event({"type": "content_block_stop", "index": 2}), []),
        (api_event({"type": "message_stop"}), [(b"text", b"0"), (b"text", b"1")]),
        (api_event({"type": "ping", "text": "message_stop"}), []),
        (b"data: message_stop\n\n", []),
        (b"data: [DONE]\n\n", [(b"text", b"0"), (b"text", b"1")]),
        (
            data_event({"type": "response.completed"}),
            [(b"text", b"0"), (b"text", b"1")],
        ),
        (data_event({"type": "response.created"}), []),
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
        assert all(end < start for _, end in find_begun(raw[:cut]))
    for cut in range(start, len(raw)):
        *_, (begin, end) = find_begun(raw[:cut])
        assert begin == start
        # Half of an escape stays out.
        assert min(cut - start, whole) - 1 <= end - start <= whole


def test_the_names_in_an_event_that_was_cut_off_are_no_texts() -> None:
    raw = b'data: {"a": "b", "c" : [{"d": ["e", "f'

    texts = [raw[start:end] for start, end in find_begun(raw)]

    assert texts == [b"b", b"e", b"f"]


def test_what_is_no_json_may_be_a_text_that_was_cut_off() -> None:
    for line_end in (b"", b"\n", b"\r\n"):
        raw = b"event: token\ndata: sk-ant" + line_end

        assert [raw[start:end] for start, end in find_begun(raw)] == [b"sk-ant"]


@pytest.mark.parametrize("name", ["content_block_delta", "content_block_start"])
def test_a_list_in_an_event_of_a_block_is_read_like_any_other(name: str) -> None:
    raw = f'event: {name}\ndata: [{{"index": 0, "text": "Hi"}}]\n\n'.encode()

    delta = find_delta(raw)

    assert delta is not None
    assert [piece.text for piece in delta.pieces] == [b"Hi"]
