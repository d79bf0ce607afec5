"""
What a cassette says, with the frames in which it says it.

For programs that write a cassette anew and have to keep what they don't know: a later
version may add fields, and frames of private types may hold anything. Of a file whose
end was lost, the parts that are there tell what its END would have said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from streamtape.core.format.frames import TRAILER, TRAILER_MAGIC, Flags, Frame
from streamtape.core.format.packing import UNDECODABLE, unpack_value
from streamtape.core.format.reader import RecordReader
from streamtape.core.format.records import Kind, Record
from streamtape.core.messages.deltas import EventReader
from streamtape.core.messages.events import StreamSummary
from streamtape.core.model import Part, Request, Response, media_type
from streamtape.core.recording import summarise_json, summarise_stream
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_json, clean_text
from streamtape.errors import DamagedCassetteError

_KNOWN = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFrames:
    """A record with its frames, or one frame that holds none."""

    frames: tuple[Frame, ...]
    """One, but for a record that is too long for it."""
    record: Record | None
    """None for a NOTE, and for a frame of a type that is not known."""

    @property
    def kind(self) -> int:
        """The type of its frames."""
        return self.frames[0].kind

    @property
    def payload(self) -> bytes:
        """What is in its frames, joined."""
        return b"".join(frame.payload for frame in self.frames)


class RecordFramesReader:
    """
    Finds the records in the bytes of a file, as far as they are sound.

    It stops for good at the first that isn't, and after the END. Feed it blocks as
    they are read.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        """Why nothing more is given, once something is not sound; else None."""
        self.offset = 0
        """Position in the file after the last of them; 0 while there is none."""
        self.has_end = False
        """Whether the last of them was the END."""
        self._records = RecordReader()
        self._open: list[Frame] = []
        self._tail = b""
        """What follows the END, as far as that matters."""

    def feed(self, block: bytes) -> Iterator[RecordFrames]:
        """
        Take the next bytes of the file and yield the records that are whole now.

        Raises:
            NotACassetteError: The file does not begin with the magic.
            UnsupportedVersionError: It needs a later reader.
        """
        if self.has_end:
            self._tail = (self._tail + block)[: TRAILER.size + 1]
        if self.fault is not None or self.has_end:
            return
        frames = self._records.frames
        for frame in frames.feed(block):
            try:
                record = self._records.take(frame)
            except DamagedCassetteError as error:
                _, _, self.fault = error.reason.partition(": ")
                return
            self._open.append(frame)
            if frame.kind in _KNOWN and frame.flags & Flags.MORE:
                continue
            framed = RecordFrames(frames=tuple(self._open), record=record)
            self._open.clear()
            self.offset = frames.offset
            self.has_end = self._records.end is not None
            if self.has_end:
                self._tail = frames.pending[: TRAILER.size + 1]
            yield framed
            if self.has_end:
                return
        if frames.fault is not None:
            self.fault = frames.fault.reason

    def end(self) -> None:
        """
        Call at the end of the file: one shorter than the magic is no cassette.

        Raises:
            NotACassetteError: The file ended within the magic.
        """
        self._records.frames.check_ended_in_magic()

    @property
    def is_whole(self) -> bool:
        """Whether what was fed is a finished cassette, sound to its last byte."""
        trailer = TRAILER.pack(self._records.end_offset, TRAILER_MAGIC)
        return self.has_end and self._tail == trailer


_FIELDS: Final[dict[int, tuple[str, ...]]] = {
    Kind.HEADER: ("match", "minor"),
    Kind.REQUEST: ("body", "headers", "method", "target"),
    Kind.RESPONSE: ("headers", "offset_ns", "reason", "status"),
    Kind.END: (
        "body_bytes",
        "detail",
        "offset_ns",
        "parts",
        "reason",
        "sha256",
        "summary",
    ),
}
"""
What is looked at as what it is. The time in a HEADER isn't: it is a text of any kind.
"""


def clean_value(value: Any, secrets: Secrets) -> Any:
    """Replace every secret in the texts of a value, its maps' names included."""
    match value:
        case str():
            return clean_text(value, secrets)
        case bytes():
            return bytes(clean_json(value, secrets))
        case dict():
            return {
                clean_value(name, secrets): clean_value(value[name], secrets)
                for name in value
            }
        case list():
            return [clean_value(each, secrets) for each in value]
        case _:
            return value


def holds_secret(value: Any, secrets: Secrets) -> bool:
    """
    Whether a secret stands in some text of a value.

    In its packed bytes one may hide: the length before a text can look like a letter
    of a word that goes on.
    """
    match value:
        case str():
            raw = value.encode(errors="surrogateescape")
            return clean_json(raw, secrets) != raw
        case bytes():
            return clean_json(value, secrets) != value
        case dict():
            return any(
                holds_secret(name, secrets) or holds_secret(value[name], secrets)
                for name in value
            )
        case list():
            return any(holds_secret(each, secrets) for each in value)
        case _:
            return False


def unknown_in(framed: RecordFrames) -> Any:
    """Return what frames hold besides what its record says; all of it without one."""
    payload = framed.payload
    try:
        value = unpack_value(payload)
    except UNDECODABLE:
        return payload
    if isinstance(framed.record, Part):
        return value[2:]
    known = _FIELDS.get(framed.kind)
    if known is None:
        return value
    return {name: value[name] for name in value if name not in known}


_MOST_JSON_BYTES: Final = 64 * 1024 * 1024
"""A longer body counts as cut, as nobody can tell."""

_BODILESS: Final = frozenset({204, 304})


class LostEnd:
    """Follows a response whose END is lost; feed it the parts in their order."""

    def __init__(self, request: Request, response: Response, secrets: Secrets) -> None:
        self._secrets = secrets
        self._stream = StreamSummary() if response.is_event_stream else None
        self._reader = EventReader()
        self._is_json = media_type(response.headers).endswith("json")
        self._has_no_body = request.method == "HEAD" or response.status in _BODILESS
        self._body = bytearray()
        """All of JSON, and of another body its last part."""

    def feed(self, part: Part) -> None:
        """Take the next part."""
        if self._stream is not None:
            self._stream.feed(self._reader.read(part.raw))
        elif not self._is_json:
            self._body[:] = part.raw
        elif len(self._body) <= _MOST_JSON_BYTES:
            self._body += part.raw

    @property
    def is_over(self) -> bool:
        """
        Whether nothing of the response is missing: its last word was said, or its
        JSON is whole. A body of another type doesn't tell.
        """
        if self._stream is not None:
            return self._stream.is_over
        return self._has_no_body or (self._is_json and _is_whole(self._body))

    def summarise(self) -> dict[str, Any]:
        """Return what a recorder would have written for listings."""
        if self._stream is not None:
            return summarise_stream(self._stream, self._secrets)
        return summarise_json(self._body, self._secrets)


def _is_whole(body: bytearray) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
