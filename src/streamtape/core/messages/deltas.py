"""
Events, each read once for all who want something of it, and the texts that they add to.

A secret may come in pieces, a few characters in each event. Deltas of the Messages API
are known; of all other events each string of their JSON is taken for a piece of a
text. Strings at the same place of consecutive events belong together: that is how
every provider sends one, and no field is known by its name.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streamtape.core.sse import encode_event, parse_event
from streamtape.core.stream_formats import StreamFormat, name_of, payload_of

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object as :func:`json.loads` gives it; its values are not checked."""

Path: TypeAlias = tuple[str | int, ...]
"""The steps from a JSON value to one that it holds: names and positions."""

BACKSLASH: Final = ord("\\")
"""A number: to look for bytes in bytes takes six times as long."""

DONE: Final = "[DONE]"
"""The data with which other providers end a stream."""

_ORDINARY: Final = re.compile(
    rb'event: content_block_delta\ndata: \{"type": ?"content_block_delta", ?"index": ?'
    rb'(\d+), ?"delta": ?\{"type": ?"'
    rb'(?:text_delta", ?"(?=te)|thinking_delta", ?"(?=th)|input_json_delta", ?"(?=p))'
    rb'(text|thinking|partial_json)": ?"([^"\\]*(?:\\.[^"\\]*)*)("\} *\}\s*)'
)
"""A delta as the API and most fakes write it. Any other spelling is parsed."""

_STRINGS: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)("?)')
_NAME_END: Final = re.compile(rb"\s*:")
_BARE: Final = re.compile(rb'^data: ?([^"\r\n]+)\r?$', re.MULTILINE)
"""A line of data that is no JSON."""
_MOST_BEGUN: Final = 16

_LAST_TYPES: Final = frozenset(
    {"message_stop", "response.completed", "response.failed", "response.incomplete"}
)
_BLOCK_EVENTS: Final = ("content_block_delta", "content_block_start")

_OPAQUE: Final = frozenset({"signature", "thoughtSignature", "encrypted_content"})
"""Names of what clients send back as it is, and which is no text of a model's."""

_decoder: Final = json.JSONDecoder(strict=False)


TextDelta: TypeAlias = tuple[Hashable, bytes]
"""
Which text an event adds to, and what: in UTF-8, where half of a surrogate pair, which
JSON can spell, is in three bytes.
"""


@dataclass(slots=True)
class Event:
    """One event, parsed."""

    name: str | None
    """The ``event`` field; None where there was no such line."""
    data: str | None
    """None where it has none."""
    value: Any = None
    """What its data says as JSON; None for no JSON, ``{}`` for what nests too deep."""
    is_json: bool = False

    @property
    def json(self) -> JsonObject:
        """The object that it holds; an empty one where it holds none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def type(self) -> str | None:
        """What its data says that it is, or None."""
        kind = self.json.get("type")
        return kind if isinstance(kind, str) else None


AnyEvent: TypeAlias = Event | TextDelta
"""An event as it was read: of one that says nothing but a text, that alone."""


def read_event(raw: bytes, stream_format: StreamFormat = StreamFormat.SSE) -> Event:
    """Parse an event; never raises, whatever the bytes."""
    if stream_format is StreamFormat.SSE:
        fields = parse_event(raw)
        return read_data(fields.data, name=fields.name)
    data = payload_of(raw, stream_format).decode(errors="replace")
    return read_data(data or None, name=name_of(raw, stream_format))


def read_data(data: str | None, *, name: str | None = None) -> Event:
    """Return what the data of an event says, whatever that came in."""
    event = Event(name, data)
    if event.data:
        try:
            event.value = json.loads(event.data)
            event.is_json = True
        except ValueError:
            pass
        except RecursionError:
            event.value = {}
    return event


class EventReader:
    """
    Reads the events of one stream, of which nearly all are like the one before.

    A delta that differs from the last one in its text alone needs no parsing.
    """

    def __init__(self) -> None:
        self._before = b"\n"
        """What stands before the text of the last delta."""
        self._before_bytes = 1
        self._after = b'"\n'
        self._after_quote = b"\n"
        self._place: Hashable = None

    def read(self, raw: bytes) -> AnyEvent:
        """
        Return what an event says: of an ordinary delta of the Messages API, which
        holds nothing else that anybody could have put there, its text alone.
        """
        if raw.startswith(self._before):
            literal, _, after = raw[self._before_bytes :].partition(b'"')
            if after == self._after_quote and BACKSLASH not in literal:
                return self._place, literal
            literal = raw[self._before_bytes : -len(self._after)]
            if BACKSLASH in literal and raw.endswith(self._after):
                text = _decode_literal(literal)
                if text is not None:
                    return self._place, text
        ordinary = _find_ordinary(raw)
        if ordinary is None:
            return read_event(raw)
        self._before, delta, self._after = ordinary
        self._before_bytes = len(self._before)
        self._after_quote = self._after[1:]
        self._place = delta[0]
        return delta


def _find_ordinary(raw: bytes) -> tuple[bytes, TextDelta, bytes] | None:
    """Return an ordinary delta with what stands before and after its text, or None."""
    match = _ORDINARY.fullmatch(raw)
    text = None if match is None else _decode_literal(match[3])
    if match is None or text is None:
        return None
    return raw[: match.start(3)], (match.group(2, 1), text), match[4]


def find_deltas(event: AnyEvent) -> list[TextDelta]:
    """Return what an event adds to texts; empty where it adds to none."""
    if isinstance(event, tuple):
        return [event]
    return [
        (place, text.encode(errors="surrogatepass"))
        for place, _, text in _strings_of(event)
    ]


def replace_texts(raw: bytes, texts: Sequence[bytes]) -> bytes:
    """
    Return an event with other texts in their places.

    Args:
        texts: One for each delta of what an :class:`EventReader` reads of it.
    """
    if (ordinary := _find_ordinary(raw)) is not None:
        before, _, after = ordinary
        return before + _encode(_decode_text(texts[0]))[1:-1] + after
    event = read_event(raw)
    return encode_event(replace_data(event, texts).decode(), name=event.name)


def replace_data(event: Event, texts: Sequence[bytes]) -> bytes:
    """
    Return the data of an event with other texts in their places, in UTF-8.

    Args:
        texts: One for each delta that :func:`find_deltas` finds in it.
    """
    value = event.value
    for (_, path, _), text in zip(_strings_of(event), texts, strict=True):
        if path is None:
            return text.decode(errors="replace").encode()
        value = put_json_string(value, path, _decode_text(text))
    try:
        return _encode(value)
    except RecursionError:
        # It could just be read, and nobody who means well nests so deep.
        return b"{}"


def find_begun(raw: bytes) -> list[tuple[int, int]]:
    """
    Return where texts are in an event that was cut off, within one or after it.

    The last 16, in order, which are enough for any event of an API.
    """
    found: deque[tuple[int, int]] = deque(maxlen=_MOST_BEGUN)
    for match in _STRINGS.finditer(raw):
        if not (match[2] and _NAME_END.match(raw, match.end())):
            found.append(match.span(1))
    found += [bare.span(1) for bare in _BARE.finditer(raw)]
    return list(found)


def find_ended(event: Event, places: Iterable[Hashable]) -> list[Hashable]:
    """Return to which texts nothing more comes after an event."""
    kind = event.type
    if event.data == DONE or kind in _LAST_TYPES:
        return list(places)
    if kind != "content_block_stop" or "index" not in event.json:
        return []
    # As :func:`_place_in_block` makes a place.
    block = str(event.json["index"]).encode()
    return [
        each
        for each in places
        if isinstance(each, tuple) and len(each) == 2 and each[1] == block
    ]


def _strings_of(event: Event) -> list[tuple[Hashable, Path | None, str]]:
    """
    Return the place, the path and the text of each string that may be a text's.

    The path is None where the data is a text itself: no JSON, or a piece that looks
    like a number.
    """
    value, kind = event.value, event.type or event.name
    if event.data is None or event.data == DONE:
        return []
    if not isinstance(value, str | dict | list):
        return [((kind,), None, event.data)]
    block = event.json if kind in _BLOCK_EVENTS else {}
    found: list[tuple[Hashable, Path | None, str]] = []
    for place, path, text in find_json_strings(value):
        if path == ("type",) or (path and path[-1] in _OPAQUE):
            continue
        where: Hashable = (kind, *place)
        if block and len(path) > 1:
            where = _place_in_block(block, path[1:])
        found.append((where, path, text))
    return found


def _place_in_block(data: JsonObject, path: Path) -> Hashable:
    """
    Make a place as an ordinary delta has it: a block may begin with some of its text.
    """
    return ".".join(map(str, path)).encode(), str(data.get("index")).encode()


def _decode_literal(literal: bytes) -> bytes | None:
    """Return what a JSON string without its quotes says, or None if it is none."""
    if BACKSLASH not in literal:
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


MOST_STRINGS: Final = 256
"""Of one value; in no event of an API there are a tenth of that."""

_DEEPEST: Final = 32
_NUMBER: Final = "index"
"""How the names end of what numbers choices, blocks, calls and parts."""


def find_json_strings(data: Any) -> list[tuple[Path, Path, str]]:
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
        if len(found) < MOST_STRINGS:
            found.append((place, path, value))
    elif len(path) >= _DEEPEST or len(found) >= MOST_STRINGS:
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


def put_json_string(data: Any, path: Path, text: str) -> Any:
    """Return a value with another text at a path; it may be changed itself."""
    if not path:
        return text
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return data


def _numbers_in(value: JsonObject) -> Path:
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
