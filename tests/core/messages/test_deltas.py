"""
Deltas: the text of each is found, and can be replaced without a change of the rest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamtape.core.messages.deltas import (
    EventReader,
    TextDelta,
    find_begun,
    find_deltas,
    find_ended,
    read_event,
    replace_texts,
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


def deltas_of(raw: bytes) -> list[TextDelta]:
    return find_deltas(EventReader().read(raw))


def delta_of(raw: bytes) -> TextDelta:
    [found] = [each for each in deltas_of(raw) if each[1] == b"x"]
    return found


@pytest.mark.case(75)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("raw", EVENTS.values(), ids=EVENTS)
def test_a_text_can_be_replaced_and_all_else_stays(raw: bytes, text: str) -> None:
    found = delta_of(raw)

    replaced = replace_texts(
        raw,
        [utf_8(text) if each == found else each[1] for each in deltas_of(raw)],
    )

    assert parse_event(replaced).name == parse_event(raw).name
    if raw == EVENTS["no-json"]:
        assert parse_event(replaced).data == utf_8(text).decode(errors="replace")
        return
    expected = json.dumps(data_of(raw)).replace('"x"', json.dumps(text))
    assert data_of(replaced) == json.loads(expected)
    assert (found[0], utf_8(text)) in deltas_of(replaced)


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
        b'data: {"delta": ' + b"[" * 200_000 + b"\n\n",
        b'data: {"type": "a", "signature": "sk-ant-x", "n": [1, true]}\n\n',
    ],
)
def test_what_adds_to_no_text_is_no_delta(raw: bytes) -> None:
    assert deltas_of(raw) == []


def test_a_signature_is_no_text() -> None:
    delta = {"type": "signature_delta", "signature": "sk-ant-x"}
    found = deltas_of(
        api_event({"type": "content_block_delta", "index": 0, "delta": delta})
    )

    assert b"sk-ant-x" not in [text for _, text in found]


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
def test_a_reader_finds_what_is_found_in_the_parsed_event(
    last: bytes, raw: bytes
) -> None:
    """Whatever came before."""
    reader = EventReader()
    reader.read(last)

    event = reader.read(raw)

    if isinstance(event, tuple):
        kind, found = find_deltas(read_event(raw))
        assert found == event
        # Nothing else is there that anybody could have put.
        assert kind[1] in (b"text_delta", b"thinking_delta", b"input_json_delta")
    else:
        assert event == read_event(raw)


def test_a_reader_parses_no_ordinary_delta() -> None:
    reader = EventReader()

    assert reader.read(delta("x")) == ((b"text", b"0"), b"x")
    assert reader.read(delta("y\n")) == ((b"text", b"0"), b"y\n")
    assert reader.read(delta("z", 1)) == ((b"text", b"1"), b"z")
    assert reader.read(PING) == read_event(PING)


@pytest.mark.parametrize("kind", ["thinking_delta", "input_json_delta", "other_delta"])
def test_a_delta_of_another_kind_is_parsed(kind: str) -> None:
    """Of an ordinary one its place tells the kind."""
    raw = delta("x").replace(b"text_delta", kind.encode())

    assert EventReader().read(raw) == read_event(raw)
    assert delta_of(raw) == ((b"text", b"0"), b"x")


def test_each_text_has_a_place_of_its_own() -> None:
    raws = [delta("x", 0), delta("x", 1), delta("x", 0, "thinking")]
    raws += [EVENTS[name] for name in ("chat", "chat-second-choice", "chat-reasoning")]
    raws += [EVENTS[name] for name in ("gemini", "gemini-second-part", "unknown")]

    assert len({delta_of(raw)[0] for raw in raws}) == len(raws)


def test_a_choice_is_told_by_its_number_and_not_by_its_position() -> None:
    alone = EVENTS["chat-second-choice"]
    choices = [{"index": n, "delta": {"content": "ax"[n]}} for n in range(2)]
    both = data_event({"choices": choices})

    assert delta_of(alone) == delta_of(both)


def test_a_block_and_its_deltas_are_one_text() -> None:
    start, other = delta_of(EVENTS["start"]), delta_of(EVENTS["other-spelling"])

    assert start == other == EventReader().read(delta("x"))


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

    assert find_ended(read_event(raw), places) == ended


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

    assert [text for _, text in deltas_of(raw)] == [b"Hi"]
