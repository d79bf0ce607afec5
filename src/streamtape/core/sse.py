"""
Server-sent events on bytes: where each ends, and what it says.

Bytes are cut before anything is decoded, and each event keeps its own: joined
again, the events and the rest are the stream, byte for byte, however it was
split over chunks. Lines end in LF, CRLF or CR, as in WHATWG HTML section 9.2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_END = re.compile(rb"\n\r?\n|\r\r|\n\r(?=[^\n])")
"""
The last byte of a line's end and the blank line after it.

The last form needs the byte that follows, as CR may be half of a CRLF. After a
bare CR the blank line is one CR: a LF that follows opens the next event, where
it says nothing. So the same bytes are always cut at the same places.
"""

_LONGEST_END = 3

_CR: Final = ord("\r")
"""A number: to look for bytes in bytes takes six times as long."""

LONGEST_EVENT_BYTES: Final = 128 * 1024 * 1024
"""No API sends a thousandth of it."""

_LINES = re.compile(rb"\r\n|\n|\r")
_COMMENTS: Final = re.compile(rb"(?::[^\r\n]*+\r?\n)++")
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """
    Cuts a stream into events; feed it chunks as they come.

    Every byte fed is either in an event given back or in the rest, in order.

    Args:
        longest_bytes: What is longer is given back in pieces of this length, so that
            an event that never ends is not held for ever.
    """

    def __init__(self, *, longest_bytes: int = LONGEST_EVENT_BYTES) -> None:
        self._rest = bytearray()
        self._longest_bytes = longest_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take one chunk and return the events that are whole now, oldest first."""
        rest = self._rest
        size = len(chunk)
        if (
            # Nearly every chunk of a live stream is one event, its lines ended by LF,
            # and this is half the cost of a search.
            not rest
            and chunk.find(b"\n\n") == size - 2
            and 1 < size <= self._longest_bytes
            and _CR not in chunk
        ):
            return [chunk]
        # An end may have begun in the bytes that were already searched.
        search_from = max(0, len(rest) - _LONGEST_END + 1)
        rest += chunk
        longest = self._longest_bytes
        events = []
        start = 0
        for match in _END.finditer(rest, search_from):
            end = match.end()
            while end - start > longest:
                events.append(bytes(rest[start : start + longest]))
                start += longest
            events.append(bytes(rest[start:end]))
            start = end
        while len(rest) - start > longest:
            events.append(bytes(rest[start : start + longest]))
            start += longest
        if start:
            del rest[:start]
        return events

    def take_comments(self) -> bytes:
        """
        Return what is left if it is whole lines of comments, and nothing else of it.

        Servers keep a stream alive with them, and not all end them with a blank line.
        """
        if not self._rest.startswith(b":") or not _COMMENTS.fullmatch(self._rest):
            return b""
        comments = bytes(self._rest)
        self._rest.clear()
        return comments

    @property
    def rest(self) -> bytes:
        """The bytes after the last whole event: what a cut stream leaves over."""
        return bytes(self._rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """The fields of one event, decoded."""

    name: str | None
    """The ``event`` field; None where there was no such line."""
    data: str | None
    """All ``data`` lines joined by LF; None where there was none."""
    id: str | None = None
    retry: str | None = None
    """How long to wait before connecting again, in ms: digits alone."""


def parse_event(raw: bytes) -> ServerSentEvent:
    """
    Read the fields of one event.

    Never raises: comments, unknown fields and values that a field can't have
    are passed over, a byte order mark at the start is taken off, and bytes that
    aren't UTF-8 become U+FFFD, as WHATWG HTML section 9.2.6 asks.
    """
    name: str | None = None
    data: list[str] = []
    event_id: str | None = None
    retry: str | None = None
    for line in _LINES.split(raw.removeprefix(_BOM)):
        field, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        match field:
            case b"data":
                data.append(text)
            case b"event":
                name = text
            case b"id" if "\0" not in text:
                event_id = text
            case b"retry" if text.isascii() and text.isdigit():
                retry = text
    return ServerSentEvent(
        name=name,
        data="\n".join(data) if data else None,
        id=event_id,
        retry=retry,
    )


def encode_event(data: str, *, name: str | None = None) -> bytes:
    """
    Write one event with LF line ends; the reverse of :func:`parse_event`.

    Args:
        data: Text without CR, which would end a line and can't be carried.
    """
    lines = [f"data: {line}" for line in data.split("\n")]
    if name is not None:
        lines.insert(0, f"event: {name}")
    return "".join(f"{line}\n" for line in lines).encode() + b"\n"
