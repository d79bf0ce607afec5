"""
The text that one event adds to a longer one, found in its bytes and replaced there.

A key may come in pieces, a few characters in each event. Known are the deltas of
the Messages API, and of other providers those that carry text or a tool's input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from streamtape.core.streams.sse import encode_event, parse_event

_BEFORE: Final = (
    rb'event: content_block_delta\ndata: \{"type": ?"content_block_delta", ?"index": ?'
    rb'(\d+), ?"delta": ?\{"type": ?"(?:text|thinking|input_json)_delta", ?'
    rb'"(text|thinking|partial_json)": ?"'
)
_BEHIND: Final = rb'"\} *\}\s*'

_ORDINARY: Final = re.compile(_BEFORE + rb'([^"\\]*(?:\\.[^"\\]*)*)' + _BEHIND)
"""A delta as the API and most fakes write it. Any other spelling is parsed."""

_PLAIN: Final = re.compile(_BEFORE + rb'([^"\\]*)' + _BEHIND)
"""One without any escape."""

_BEGUN: Final = re.compile(
    rb'"(?:text|thinking|partial_json|content|arguments|delta)"\s*:\s*"'
    rb'([^"\\]*(?:\\.[^"\\]*)*)'
)
"""The text of a delta that was cut off."""

_WORDS: Final = (b"delta", b"content_block_start", b'"candidates"')
"""One of them is in every event that adds to a text."""

_ENDS: Final = (b"content_block_stop", b"message_stop")

_FIELDS: Final = ("text", "thinking", "partial_json")

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """
    A piece of a text.
    """

    place: Hashable
    """Which text it adds to: the same for all pieces of one."""
    text: bytes
    """UTF-8; half of a surrogate pair, which JSON can spell, is in three bytes."""
    raw: bytes
    """The event."""
    span: tuple[int, int] | None
    """Where the text is in the event, as a JSON string without its quotes."""
    path: _Path
    """Where it is in the event's data, if that had to be parsed."""

    def replaced(self, text: bytes) -> bytes:
        """
        Return the event with another text in its place.
        """
        try:
            decoded = text.decode(errors="surrogatepass")
        except UnicodeDecodeError:
            # A secret that is no UTF-8 may match within a character.
            decoded = text.decode(errors="replace")
        if self.span is not None:
            start, end = self.span
            return self.raw[:start] + _encode(decoded)[1:-1] + self.raw[end:]
        event = parse_event(self.raw)
        try:
            encoded = _encode(_put(json.loads(event.data or ""), self.path, decoded))
        except RecursionError:
            # It could just be read, and nobody who means well nests so deep.
            encoded = b"{}"
        return encode_event(encoded.decode(), name=event.name)


def find_plain(raw: bytes) -> tuple[Hashable, bytes] | None:
    """
    Return the place and the text of a delta if that takes no decoding, or None.

    A shortcut for nearly all deltas of a stream, whose :class:`Delta` says the same.
    There is nothing else in such an event that anybody could have put there.
    """
    match = _PLAIN.fullmatch(raw)
    return None if match is None else (match.group(2, 1), match[3])


def find_delta(raw: bytes) -> Delta | None:
    """
    Return what an event adds to a text, or None where it adds to none.
    """
    if (match := _ORDINARY.fullmatch(raw)) is not None:
        literal = match[3]
        text = literal if b"\\" not in literal else _decode(literal)
        if text is None:
            return None
        return Delta(
            place=match.group(2, 1),
            text=text,
            raw=raw,
            span=match.span(3),
            path=(),
        )
    if not any(word in raw for word in _WORDS):
        return None
    try:
        data = json.loads(parse_event(raw).data or "")
    except (ValueError, RecursionError):
        return None
    if (found := _find_text(data)) is None:
        return None
    place, path, text = found
    return Delta(
        place=place,
        text=text.encode(errors="surrogatepass"),
        raw=raw,
        span=None,
        path=path,
    )


def find_begun(raw: bytes) -> tuple[int, int] | None:
    """
    Return where the text is in an event that was cut off, within it or behind, or None.
    """
    match = _BEGUN.search(raw)
    return None if match is None else match.span(1)


def find_ended(raw: bytes, places: Iterable[Hashable]) -> list[Hashable]:
    """
    Return to which texts nothing more comes behind an event that is no delta.
    """
    if not any(word in raw for word in _ENDS):
        return []
    try:
        data = json.loads(parse_event(raw).data or "")
    except (ValueError, RecursionError):
        return []
    match data:
        case {"type": "message_stop"}:
            return list(places)
        case {"type": "content_block_stop", "index": index}:
            # As :func:`_find_field` makes a place.
            block = (str(index).encode(),)
            return [
                each for each in places if isinstance(each, tuple) and each[1:] == block
            ]
    return []


def _find_text(data: Any) -> tuple[Hashable, _Path, str] | None:
    """
    Return which text it is a piece of, where that is, and the piece.
    """
    match data:
        case {"type": "content_block_delta", "delta": dict(delta)}:
            return _find_field(data, "delta", delta)
        # A block may begin with some of its text.
        case {"type": "content_block_start", "content_block": dict(block)}:
            return _find_field(data, "content_block", block)
        # OpenAI: Responses, then Chat Completions.
        case {"type": str(kind), "delta": str(text)}:
            places = (kind, data.get("output_index"), data.get("content_index"))
            return _hashable(places), ("delta",), text
        case {"choices": [{"delta": {"content": str(text)}} as choice, *_]}:
            place = ("content", choice.get("index"))
            return _hashable(place), ("choices", 0, "delta", "content"), text
        case {
            "choices": [
                {
                    "delta": {
                        "tool_calls": [
                            {"function": {"arguments": str(text)}} as call,
                            *_,
                        ]
                    }
                },
                *_,
            ]
        }:
            place = ("arguments", call.get("index"))
            calls = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
            return _hashable(place), calls, text
        # Gemini.
        case {"candidates": [{"content": {"parts": [{"text": str(text)}, *_]}}, *_]}:
            return "parts", ("candidates", 0, "content", "parts", 0, "text"), text
    return None


def _put(data: Any, path: _Path, text: str) -> Any:
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return data


def _find_field(
    data: dict[str, Any], outer: str, inner: dict[str, Any]
) -> tuple[Hashable, _Path, str] | None:
    for name in _FIELDS:
        if isinstance(text := inner.get(name), str):
            # As an ordinary delta spells it.
            place = (name.encode(), str(data.get("index")).encode())
            return place, (outer, name), text
    return None


def _hashable(place: tuple[Any, ...]) -> Hashable:
    """
    Make a place of what JSON holds, which may be lists.
    """
    return tuple(
        each if isinstance(each, str | int | bytes | None) else str(each)
        for each in place
    )


def _decode(literal: bytes) -> bytes | None:
    try:
        text = json.loads(b'"%b"' % literal, strict=False)
    except ValueError:
        return None
    encoded: bytes = text.encode(errors="surrogatepass")
    return encoded


def _encode(value: object) -> bytes:
    """
    Write JSON, with half pairs of surrogates escaped: they have no bytes.
    """
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return written.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
