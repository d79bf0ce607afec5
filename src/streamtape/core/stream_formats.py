"""
In what formats bodies are streams: where each event ends, and what it carries.

Besides server-sent events these are lines of JSON, elements of a JSON array, and two
binary formats: Amazon's event streams and the Connect protocol. Events keep their
bytes: joined again, with the rest, they are the body, however it was split over chunks.
What is in an event that anybody reads is its payload; the rest of it is its wrapping.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from enum import Enum, auto
from typing import Final, Protocol
from zlib import crc32

from streamtape.core.sse import LONGEST_EVENT_BYTES, EventSplitter


class StreamFormat(Enum):
    """The stream format of a body: how its events are told from each other."""

    SSE = auto()
    """Server-sent events, see :mod:`~streamtape.core.sse`."""
    LINES = auto()
    """One JSON value a line; RFC 7464 has a separator in front of each too."""
    ARRAY = auto()
    """The elements of a JSON array that is sent one by one."""
    AMAZON = auto()
    """``application/vnd.amazon.eventstream``: lengths, headers and checksums."""
    CONNECT = auto()
    """Messages of the Connect protocol, with five bytes in front of each."""
    NONE = auto()
    """Nothing tells parts of it: they are the chunks as they came."""


_JSON: Final = re.compile(r"application/(.+\+)?json")
_LINES: Final = re.compile(
    r"(application|text)/(x-)?(nd-?json|json-?lines?|jsonl|json-seq|.+\+ndjson)"
    r"|application/(stream\+json|.+\+json-seq)"
)
_BY_TYPE: Final = {
    "text/event-stream": StreamFormat.SSE,
    "application/vnd.amazon.eventstream": StreamFormat.AMAZON,
    "application/connect+json": StreamFormat.CONNECT,
}


def format_of(media_type: str) -> StreamFormat:
    """
    Return the format of a body, as far as its media type says.

    ARRAY is that of all JSON: it holds if the body begins with a bracket.
    """
    if (stream_format := _BY_TYPE.get(media_type)) is not None:
        return stream_format
    if _LINES.fullmatch(media_type):
        return StreamFormat.LINES
    return StreamFormat.ARRAY if _JSON.fullmatch(media_type) else StreamFormat.NONE


class Splitter(Protocol):
    """Cuts a body into events; every byte is in one of them or in the rest."""

    @property
    def rest(self) -> bytes:
        """The bytes after the last whole event."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk and return the events that are whole now, oldest first."""


def splitter_of(stream_format: StreamFormat) -> Splitter:
    """
    Return what cuts a body of such a format.

    Raises:
        ValueError: It has none.
    """
    match stream_format:
        case StreamFormat.SSE:
            return EventSplitter()
        case StreamFormat.LINES:
            return _LineSplitter()
        case StreamFormat.ARRAY:
            return _ArraySplitter()
        case StreamFormat.AMAZON:
            return _LengthSplitter(_AMAZON_PRELUDE.size, _amazon_size)
        case StreamFormat.CONNECT:
            return _LengthSplitter(_CONNECT_HEAD.size, _connect_size)
        case StreamFormat.NONE:
            raise ValueError(stream_format)


class _Buffered:
    """Keeps what is no whole event, which may not grow for ever."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        return bytes(self._rest)

    def _cut(self, ends: list[int]) -> list[bytes]:
        """Take the events off that end at some places."""
        events, start = [], 0
        if not ends and len(self._rest) > LONGEST_EVENT_BYTES:
            ends = [len(self._rest)]
        for end in ends:
            events.append(bytes(self._rest[start:end]))
            start = end
        del self._rest[:start]
        return events


class _LineSplitter(_Buffered):
    def feed(self, chunk: bytes) -> list[bytes]:
        before = len(self._rest)
        self._rest += chunk
        ends = []
        end = self._rest.find(b"\n", before) + 1
        while end:
            ends.append(end)
            end = self._rest.find(b"\n", end) + 1
        return self._cut(ends)


_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""What stands before the next bracket that is in no string, or a string cut off."""
_STRING_END: Final = re.compile(rb'"|\\')


class _ArraySplitter(_Buffered):
    """
    Cuts after each element that is an object or an array.

    What stands between two of them, such as the comma, begins the next event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._place = 0
        """Before that all has been looked at."""
        self._depth = 0
        self._is_in_string = False

    def feed(self, chunk: bytes) -> list[bytes]:
        self._rest += chunk
        ends: list[int] = []
        while (place := self._next_bracket()) is not None:
            if self._rest[place : place + 1] in b"[{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth == 1:
                    ends.append(place + 1)
        events = self._cut(ends)
        self._place -= sum(map(len, events))
        return events

    def _next_bracket(self) -> int | None:
        """Return the place of the next bracket that is in no string, or None."""
        rest = self._rest
        while not self._is_in_string or self._find_string_end():
            self._is_in_string = False
            before = _TO_BRACKET.match(rest, self._place)
            place = self._place if before is None else before.end()
            if place == len(rest):
                self._place = place
                return None
            self._place = place + 1
            self._is_in_string = rest[place : place + 1] == b'"'
            if not self._is_in_string:
                return place
        return None

    def _find_string_end(self) -> bool:
        """Go to the end of a string that was cut off; returns whether it is there."""
        rest = self._rest
        while (match := _STRING_END.search(rest, self._place)) is not None:
            if match[0] == b'"':
                self._place = match.end()
                return True
            if match.end() == len(rest):
                # What it escapes has not come yet.
                self._place = match.start()
                return False
            self._place = match.end() + 1
        self._place = len(rest)
        return False


_AMAZON_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_CONNECT_HEAD: Final = struct.Struct(">BI")


class _SizeOf(Protocol):
    def __call__(self, head: bytes) -> int:
        """Return the size of an event with such a head in bytes; 0 if it is none."""


class _LengthSplitter(_Buffered):
    """
    Cuts by the length that stands in the head of each event.

    From the first head on that can't be one, chunks are given back as they come.
    """

    def __init__(self, head_bytes: int, size_of: _SizeOf) -> None:
        super().__init__()
        self._head_bytes = head_bytes
        self._size_of = size_of
        self._is_broken = False

    def feed(self, chunk: bytes) -> list[bytes]:
        self._rest += chunk
        ends: list[int] = []
        start = 0
        while not self._is_broken and len(self._rest) - start >= self._head_bytes:
            size = self._size_of(bytes(self._rest[start : start + self._head_bytes]))
            self._is_broken = not self._head_bytes <= size <= LONGEST_EVENT_BYTES
            if self._is_broken or start + size > len(self._rest):
                break
            start += size
            ends.append(start)
        if self._is_broken and start < len(self._rest):
            ends.append(len(self._rest))
        return self._cut(ends)


def _amazon_size(head: bytes) -> int:
    size, headers_size, crc = _AMAZON_PRELUDE.unpack(head)
    is_sound = crc32(head[:8]) == crc and size >= headers_size + 16
    return int(size) if is_sound else 0


def _connect_size(head: bytes) -> int:
    flags, size = _CONNECT_HEAD.unpack(head)
    return int(size) + _CONNECT_HEAD.size if flags <= 3 else 0


class StreamSplitter:
    """
    The events of a body, whatever it is.

    Args:
        stream_format: What its media type says.
    """

    def __init__(self, stream_format: StreamFormat) -> None:
        self.stream_format = stream_format
        """NONE as soon as JSON turns out to be no array."""
        self._splitter: Splitter | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk; returns the events that are whole now, if it is a stream."""
        if self._splitter is None:
            if self.stream_format is StreamFormat.ARRAY and not is_array(chunk):
                self.stream_format = StreamFormat.NONE
            if self.stream_format is StreamFormat.NONE:
                return []
            self._splitter = splitter_of(self.stream_format)
        return self._splitter.feed(chunk)

    @property
    def rest(self) -> bytes:
        """The bytes after the last whole event."""
        return b"" if self._splitter is None else self._splitter.rest


def is_array(beginning: bytes) -> bool:
    """Whether JSON that begins so is an array."""
    return beginning.lstrip().startswith(b"[")


def payload_of(event: bytes, stream_format: StreamFormat) -> bytes:
    """
    Return what an event carries; empty where it can't be one.

    Of a payload of Amazon's that wraps another in base64, as Bedrock sends what a
    model said in its own format, it is the inner one.
    """
    start, end = _payload_span(event, stream_format)
    payload = event[start:end]
    if stream_format is StreamFormat.AMAZON and (wrapped := _WRAPPED.search(payload)):
        try:
            return base64.b64decode(wrapped[1], validate=True)
        except binascii.Error:
            return payload
    return payload


def with_payload(event: bytes, payload: bytes, stream_format: StreamFormat) -> bytes:
    """
    Return an event that carries something else, its lengths and checksums made anew.

    Args:
        payload: As :func:`payload_of` returns it.
    """
    start, end = _payload_span(event, stream_format)
    if stream_format is StreamFormat.AMAZON and (
        wrapped := _WRAPPED.search(event, start, end)
    ):
        inner = base64.b64encode(payload)
        payload = event[start : wrapped.start(1)] + inner + event[wrapped.end(1) : end]
    match stream_format:
        case StreamFormat.AMAZON:
            _, headers_size, _ = _AMAZON_PRELUDE.unpack_from(event)
            size = start + len(payload) + _CRC.size
            lengths = struct.pack(">II", size, headers_size)
            head = lengths + _CRC.pack(crc32(lengths)) + event[12:start] + payload
            return head + _CRC.pack(crc32(head))
        case StreamFormat.CONNECT:
            return _CONNECT_HEAD.pack(event[0], len(payload)) + payload
        case _:
            return event[:start] + payload + event[end:]


_TYPE_HEADER: Final = re.compile(rb":(?:event|exception)-type\x07(..)", re.DOTALL)


def name_of(event: bytes, stream_format: StreamFormat) -> str | None:
    """Return what an event of Amazon's, or an exception, is called; else None."""
    if stream_format is not StreamFormat.AMAZON:
        return None
    start, _ = _payload_span(event, stream_format)
    header = _TYPE_HEADER.search(event, _AMAZON_PRELUDE.size, start)
    if header is None:
        return None
    size = int.from_bytes(header[1], "big")
    return event[header.end() : header.end() + size].decode(errors="replace")


_WRAPPED: Final = re.compile(rb'(?<=\{"bytes":")([A-Za-z0-9+/]+={0,2})(?=")')
_BEFORE: Final = {
    StreamFormat.SSE: re.compile(b""),
    StreamFormat.LINES: re.compile(rb"[\x1e\s]*"),
    StreamFormat.ARRAY: re.compile(rb"\s*(?:[\[,]\s*)?"),
}


def _payload_span(event: bytes, stream_format: StreamFormat) -> tuple[int, int]:
    match stream_format:
        case StreamFormat.AMAZON:
            if len(event) < 16 or _amazon_size(event[:12]) != len(event):
                return 0, 0
            _, headers_size, _ = _AMAZON_PRELUDE.unpack_from(event)
            return _AMAZON_PRELUDE.size + headers_size, len(event) - _CRC.size
        case StreamFormat.CONNECT:
            head_bytes = _CONNECT_HEAD.size
            # What is compressed is nothing that anybody reads.
            is_plain = len(event) >= head_bytes and not event[0] & 1
            is_whole = is_plain and _connect_size(event[:head_bytes]) == len(event)
            return (head_bytes, len(event)) if is_whole else (0, 0)
        case _:
            before = _BEFORE[stream_format].match(event)
            start = before.end() if before is not None else 0
            return start, max(start, len(event.rstrip()))
