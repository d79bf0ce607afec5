"""
The inner layer of a cassette: the records in its frames, as msgpack values.

The only module that knows msgpack. What each record holds is in
:mod:`streamtape.core.records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgpack

from streamtape.core.frames import (
    HEAD,
    MAGIC,
    Flags,
    Frame,
    FrameReader,
    FrameWriter,
    find_frame,
)
from streamtape.core.model import Ending, Part, Request
from streamtape.core.records import End, Header, Kind, Record, decode_record
from streamtape.core.redaction import CleanBytes, CleanRequest, CleanResponse
from streamtape.errors import DamagedCassetteError, UnsupportedVersionError

MAX_RECORD_BYTES: Final = 256 * 1024 * 1024
"""Limit on a record split over frames: eight times the largest request body."""

_PART_BYTES: Final = 4096
"""Room for nearly every part; it grows for a longer one."""

_KNOWN = frozenset(Kind)

_FOLLOWERS: Final[dict[Kind | None, set[Kind]]] = {
    None: {Kind.HEADER},
    Kind.HEADER: {Kind.REQUEST},
    Kind.REQUEST: {Kind.RESPONSE},
    Kind.RESPONSE: {Kind.EVENT, Kind.BODY, Kind.END},
    Kind.EVENT: {Kind.EVENT, Kind.END},
    Kind.BODY: {Kind.BODY, Kind.END},
}
"""The order of a file. A NOTE may stand anywhere before the END."""

_UNDECODABLE = (ValueError, TypeError, LookupError, msgpack.UnpackException)


class TapeWriter:
    """
    Packs the records of one interaction in the order of the file.

    Takes clean values only: the types are made by the redactor and nowhere else,
    so that nothing that was not redacted can be packed.
    """

    def __init__(self) -> None:
        self._frames = FrameWriter()
        # Made once, because there are so many parts; the head can be much longer
        # than they are, and would leave its room behind.
        self._pack_part = msgpack.Packer(buf_size=_PART_BYTES).pack
        self._part_count = 0
        self._body_bytes = 0
        self._part_kind = Kind.BODY

    def header(self, header: Header) -> bytes:
        """
        Pack what the file says about itself; the magic is the caller's to write.
        """
        fields: dict[str, Any] = {}
        if header.match is not None:
            fields["match"] = header.match
        fields["minor"] = header.minor
        if header.recorded_at is not None:
            fields["recorded_at"] = header.recorded_at
        return self._pack(Kind.HEADER, fields)

    def request(self, request: CleanRequest) -> bytes:
        """
        Pack the request.
        """
        fields = {
            "body": request.body,
            "headers": request.headers,
            "method": request.method,
            "target": request.target,
        }
        return self._pack(Kind.REQUEST, fields)

    def response(self, response: CleanResponse) -> bytes:
        """
        Pack the response's head; its media type decides what its parts are.
        """
        if response.is_event_stream:
            self._part_kind = Kind.EVENT
        fields = {
            "headers": response.headers,
            "offset_ns": response.offset_ns,
            "reason": response.reason,
            "status": response.status,
        }
        return self._pack(Kind.RESPONSE, fields)

    def parts(self, offset_ns: int, raws: list[CleanBytes]) -> bytes:
        """
        Pack the events, or the chunk, that came whole at one time.
        """
        kind = self._part_kind
        frames = []
        for raw in raws:
            frames.append(self._frames.pack(kind, self._pack_part((offset_ns, raw))))
            self._body_bytes += len(raw)
        self._part_count += len(raws)
        packed = b"".join(frames)
        self._frames.account(packed)
        return packed

    def end(self, ending: Ending, summary: dict[str, Any]) -> bytes:
        """
        Pack the ending and the trailer; nothing may be packed after it.
        """
        fields = {
            "body_bytes": self._body_bytes,
            "detail": ending.detail,
            "offset_ns": ending.offset_ns,
            "parts": self._part_count,
            "reason": ending.reason.value,
            "sha256": self._frames.digest,
            "summary": summary,
        }
        return self._frames.pack(Kind.END, _packb(fields)) + self._frames.trailer()

    def _pack(self, kind: Kind, fields: dict[str, Any]) -> bytes:
        packed = self._frames.pack(kind, _packb(fields))
        self._frames.account(packed)
        return packed


class TapeReader:
    """
    Finds the records in the bytes of a file; feed it blocks as they are read.
    """

    def __init__(self) -> None:
        self.frames = FrameReader()
        self.end: End | None = None
        self.end_offset = 0
        """Position of the END frame in the file; 0 while there is none."""
        self._previous: Kind | None = None
        self._split: list[Frame] = []
        self._part_count = 0
        self._body_bytes = 0

    def feed(self, block: bytes) -> Iterator[Record]:
        """
        Take the next bytes of the file and yield the records that are whole now.

        What follows the END record is not looked at.

        Raises:
            NotACassetteError: The file does not begin with the magic.
            UnsupportedVersionError: It needs a later reader.
            DamagedCassetteError: A frame verifies but does not hold what its type
                says, or stands where it can't, or the END record disagrees with
                what came before it.
        """
        if self.end is not None:
            return
        for frame in self.frames.feed(block):
            if (record := self._find_record(frame)) is None:
                continue
            if isinstance(record, End):
                self.end = record
                self.end_offset = frame.offset
            yield record
            if self.end is not None:
                return

    def _find_record(self, frame: Frame) -> Record | None:
        if self._split and self._split[0].kind != frame.kind:
            reason = f"frame type {frame.kind} within a split record"
            raise DamagedCassetteError(reason, offset=frame.offset)
        if frame.kind not in _KNOWN:
            if frame.flags & Flags.CRITICAL:
                reason = f"it needs a later streamtape: frame type {frame.kind}"
                raise UnsupportedVersionError(reason)
            return None
        self._split.append(frame)
        if sum(len(piece.payload) for piece in self._split) > MAX_RECORD_BYTES:
            raise DamagedCassetteError("a record is too long", offset=frame.offset)
        if frame.flags & Flags.MORE:
            return None
        payload = b"".join([piece.payload for piece in self._split])
        self._split = []
        kind = Kind(frame.kind)
        if kind is not Kind.NOTE:
            if kind not in _FOLLOWERS[self._previous]:
                reason = f"a {kind.name} frame can't stand here"
                raise DamagedCassetteError(reason, offset=frame.offset)
            self._previous = kind
        try:
            return self._decode(kind, payload)
        except _UNDECODABLE as error:
            reason = f"a {kind.name} frame does not hold what it should"
            raise DamagedCassetteError(reason, offset=frame.offset) from error

    def _decode(self, kind: Kind, payload: bytes) -> Record | None:
        value = _unpackb(payload)
        record = decode_record(kind, value)
        if isinstance(record, Part):
            self._part_count += 1
            self._body_bytes += len(record.raw)
        elif isinstance(record, End):
            told = (record.part_count, record.body_bytes, value["sha256"])
            counted = (self._part_count, self._body_bytes, self.frames.digest_before())
            if counted != told:
                message = "the END frame disagrees with the frames before it"
                raise ValueError(message)
        return record


def find_header(start: bytes) -> Header | None:
    """
    Read the HEADER in the first bytes of a file, or return None where none is whole.

    For indexes: what stands behind it in the file is not looked at.
    """
    return _find_header(start)[0]


def find_request(start: bytes) -> Request | None:
    """
    Read the REQUEST in the first bytes of a file, or return None where none is whole.

    It must follow the HEADER at once and be in one frame, as it is but in odd files.
    For indexes, as it takes a third of a :class:`TapeReader`'s time.
    """
    header, end = _find_header(start)
    if header is None:
        return None
    record, _ = _find_single(start, Kind.REQUEST, end)
    return record if isinstance(record, Request) else None


def find_end(frame: bytes) -> End | None:
    """
    Read an END frame on its own, or return None where the bytes are none.

    For listings: what stands before it in the file is not looked at.
    """
    record, end = _find_single(frame, Kind.END, 0)
    return record if isinstance(record, End) and end == len(frame) else None


def _find_header(start: bytes) -> tuple[Header | None, int]:
    if not start.startswith(MAGIC):
        return None, 0
    record, end = _find_single(start, Kind.HEADER, len(MAGIC))
    return (record, end) if isinstance(record, Header) else (None, end)


def _find_single(data: bytes, kind: Kind, start: int) -> tuple[Record | None, int]:
    """
    Read the record that is one sound frame at a place; returns where it ends, too.
    """
    frame = find_frame(data, start)
    if frame is None or frame.kind != kind or frame.flags & Flags.MORE:
        return None, start
    try:
        record = decode_record(kind, _unpackb(frame.payload))
    except _UNDECODABLE:
        return None, start
    return record, start + HEAD.size + len(frame.payload)


def _unpackb(payload: bytes) -> Any:
    return msgpack.unpackb(payload, strict_map_key=True, max_ext_len=0)


def _packb(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed
