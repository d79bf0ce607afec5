"""
The texts that one event adds to longer ones, found in its bytes and replaced there.

A key may come in pieces, a few characters in each event. Deltas of the Messages API
are known; of all other events each string of their JSON is taken for a piece of a
text. Strings at the same place of consecutive events belong together: that is how
every provider sends one, and no field is known by its name.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from streamtape.core.sse import encode_event, parse_event

_ORDINARY: Final = re.compile(
    rb'event: content_block_delta\ndata: \{"type": ?"content_block_delta", ?"index": ?'
    rb'(\d+), ?"delta": ?\{"type": ?"(?:text|thinking|input_json)_delta", ?'
    rb'"(text|thinking|partial_json)": ?"([^"\\]*(?:\\.[^"\\]*)*)("\} *\}\s*)'
)
"""A delta as the API and most fakes write it. Any other spelling is parsed."""

_STRINGS: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)("?)')
_NAME_END: Final = re.compile(rb"\s*:")
_BARE: Final = re.compile(rb'^data: ?([^"\r\n]+)\r?$', re.MULTILINE)
"""A line of data that is no JSON."""
_MOST_BEGUN: Final = 16

_ENDS: Final = (b"content_block_stop", b"message_stop", b"[DONE]", b"response.")
_LAST_TYPES: Final = (
    "message_stop",
    "response.completed",
    "response.failed",
    "response.incomplete",
)
_BLOCK_EVENTS: Final = ("content_block_delta", "content_block_start")
_DONE: Final = "[DONE]"

_OPAQUE: Final = frozenset({"signature", "thoughtSignature", "encrypted_content"})
"""Names of what clients send back as it is, and which is no text of a model's."""

_decoder: Final = json.JSONDecoder(strict=False)


class Piece(NamedTuple):
    """What an event adds to one text."""

    place: Hashable
    """Which text it adds to: the same for all pieces of one."""
    text: bytes
    """UTF-8; half of a surrogate pair, which JSON can spell, is in three bytes."""
    path: Path = ()
    """Where it is in the event's data, if that had to be parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """An event that adds to texts."""

    raw: bytes
    """The event."""
    pieces: tuple[Piece, ...]
    """One for each text; never empty."""
    span: tuple[int, int] | None = None
    """Where the only text is in the event, as a JSON string without its quotes."""

    def replaced(self, texts: Sequence[bytes]) -> bytes:
        """Return the event with other texts in their places."""
        decoded = [_decode_text(text) for text in texts]
        if self.span is not None:
            start, end = self.span
            return self.raw[:start] + _encode(decoded[0])[1:-1] + self.raw[end:]
        event = parse_event(self.raw)
        data = _read_data(event.data or "")
        if data is None:
            return encode_event(texts[0].decode(errors="replace"), name=event.name)
        for piece, text in zip(self.pieces, decoded, strict=True):
            data = put_leaf(data, piece.path, text)
        try:
            encoded = _encode(data)
        except RecursionError:
            # It could just be read, and nobody who means well nests so deep.
            encoded = b"{}"
        return encode_event(encoded.decode(), name=event.name)


class OrdinaryDeltas:
    """
    Reads the deltas that make up most of a stream, as long as each is like the last.

    A shortcut, which says the same of them as :func:`find_delta`.
    """

    def __init__(self) -> None:
        self._head = b"\n"
        self._head_bytes = 1
        self._end = b'"\n'
        self._tail = b"\n"
        """The end without the quote."""
        self._place: Hashable = None

    def find(self, raw: bytes) -> tuple[Hashable, bytes, bool] | None:
        """
        Return the place and the text of a delta, and whether there is no escape in it.

        None for all other events. There is nothing in such a delta but its text that
        anybody could have put there.
        """
        if not raw.startswith(self._head):
            return self._find_like_no_last(raw)
        literal, _, tail = raw[self._head_bytes :].partition(b'"')
        if tail == self._tail and b"\\" not in literal:
            return self._place, literal, True
        literal = raw[self._head_bytes : -len(self._end)]
        if b"\\" not in literal or not raw.endswith(self._end):
            return self._find_like_no_last(raw)
        text = _decode_literal(literal)
        return None if text is None else (self._place, text, False)

    def _find_like_no_last(self, raw: bytes) -> tuple[Hashable, bytes, bool] | None:
        match = _ORDINARY.fullmatch(raw)
        if match is None:
            return None
        self._head, self._end = raw[: match.start(3)], match[4]
        self._head_bytes = len(self._head)
        self._tail = self._end[1:]
        self._place = match.group(2, 1)
        text = _decode_literal(match[3])
        return None if text is None else (self._place, text, b"\\" not in match[3])


def find_delta(raw: bytes) -> Delta | None:
    """Return what an event adds to texts, or None where it adds to none."""
    if (match := _ORDINARY.fullmatch(raw)) is not None:
        text = _decode_literal(match[3])
        if text is None:
            return None
        piece = Piece(match.group(2, 1), text)
        return Delta(raw=raw, pieces=(piece,), span=match.span(3))
    event = parse_event(raw)
    if event.data is None or event.data == _DONE:
        return None
    try:
        data = _read_data(event.data)
    except RecursionError:
        return None
    if data is None:
        data = event.data
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        kind = event.name
    pieces = tuple(_pieces_of(data, kind))
    return Delta(raw=raw, pieces=pieces) if pieces else None


def find_begun(raw: bytes) -> list[tuple[int, int]]:
    """
    Return where texts are in an event that was cut off, within one or behind.

    The last 16, in order, which are enough for any event of an API.
    """
    found: deque[tuple[int, int]] = deque(maxlen=_MOST_BEGUN)
    for match in _STRINGS.finditer(raw):
        if not (match[2] and _NAME_END.match(raw, match.end())):
            found.append(match.span(1))
    found += [bare.span(1) for bare in _BARE.finditer(raw)]
    return list(found)


def find_ended(raw: bytes, places: Iterable[Hashable]) -> list[Hashable]:
    """Return to which texts nothing more comes behind an event."""
    if not any(word in raw for word in _ENDS):
        return []
    said = parse_event(raw).data or ""
    if said == _DONE:
        return list(places)
    try:
        data = json.loads(said)
    except (ValueError, RecursionError):
        return []
    match data:
        case {"type": str(kind)} if kind in _LAST_TYPES:
            return list(places)
        case {"type": "content_block_stop", "index": index}:
            # As :func:`_place_in_block` makes a place.
            block = str(index).encode()
            return [
                each
                for each in places
                if isinstance(each, tuple) and len(each) == 2 and each[1] == block
            ]
    return []


def _read_data(data: str) -> str | dict[str, Any] | list[Any] | None:
    """
    Return what JSON says, or None for data that is a text itself: no JSON, or a piece
    of such a text that looks like a number.

    Raises:
        RecursionError: It nests too deep.
    """
    try:
        read = json.loads(data)
    except ValueError:
        return None
    return read if isinstance(read, str | dict | list) else None


def _pieces_of(data: Any, kind: str | None) -> Iterator[Piece]:
    is_block = isinstance(data, dict) and kind in _BLOCK_EVENTS
    for place, path, text in find_leaves(data):
        if path == ("type",) or (path and path[-1] in _OPAQUE):
            continue
        where: Hashable = (kind, *place)
        if is_block and len(path) > 1:
            where = _place_in_block(data, path[1:])
        yield Piece(where, text.encode(errors="surrogatepass"), path)


def _place_in_block(data: dict[str, Any], path: Path) -> Hashable:
    """
    Make a place as an ordinary delta has it: a block may begin with some of its text.
    """
    return ".".join(map(str, path)).encode(), str(data.get("index")).encode()


def _decode_literal(literal: bytes) -> bytes | None:
    """Return what a JSON string without its quotes says, or None if it is none."""
    if b"\\" not in literal:
        return literal
    try:
        quoted = f'"{literal.decode(errors="surrogatepass")}"'
        text, end = _decoder.raw_decode(quoted)
    except ValueError:
        return None
    if end != len(quoted):
        return None
    encoded: bytes = text.encode(errors="surrogatepass")
    return encoded


def _decode_text(text: bytes) -> str:
    try:
        return text.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        # A secret that is no UTF-8 may match within a character.
        return text.decode(errors="replace")


def _encode(value: object) -> bytes:
    """Write JSON, with half pairs of surrogates escaped: they have no bytes."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return written.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


Path: TypeAlias = tuple[str | int, ...]
"""The steps from a value to one that it holds: names and positions."""

MOST_LEAVES: Final = 256
"""Of one value; in no event of an API there are a tenth of that."""

_DEEPEST: Final = 32
_NUMBER: Final = "index"
"""How the names end of what numbers choices, blocks, calls and parts."""


def find_leaves(data: Any) -> list[tuple[Path, Path, str]]:
    """
    Return the place, the path and the text of each string, the first 256 in all.

    The place is the path and the numbers that stand beside it. What is numbered in a
    list may be anywhere in it: the number counts, and not the position.
    """
    found: list[tuple[Path, Path, str]] = []
    _gather(data, (), (), found)
    return found


def _gather(
    value: Any, place: Path, path: Path, found: list[tuple[Path, Path, str]]
) -> None:
    if isinstance(value, str):
        if len(found) < MOST_LEAVES:
            found.append((place, path, value))
    elif len(path) >= _DEEPEST or len(found) >= MOST_LEAVES:
        return
    elif isinstance(value, dict):
        place += _numbers_in(value)
        for name, inner in value.items():
            if isinstance(inner, str | dict | list):
                _gather(inner, (*place, name), (*path, name), found)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            is_numbered = isinstance(inner, dict) and bool(_numbers_in(inner))
            step = () if is_numbered else (position,)
            _gather(inner, (*place, *step), (*path, position), found)


def put_leaf(data: Any, path: Path, text: str) -> Any:
    """Return a value with another text at a path; it may be changed itself."""
    if not path:
        return text
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return data


def _numbers_in(value: dict[str, Any]) -> Path:
    for name in value:
        if name.endswith(_NUMBER):
            break
    else:
        # As nearly always.
        return ()
    return tuple(
        number
        for name, number in value.items()
        if name.endswith(_NUMBER) and isinstance(number, int)
    )
