"""
The inner layer of a cassette: the records in its frames, as msgpack values.

The only module that knows msgpack. What each record holds is in
:mod:`streamtape.core.format.records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgpack

from streamtape.core.format.frames import (
    Flags,
    Frame,
    FrameReader,
    FrameWriter,
)
from streamtape.core.format.records import End, Header, Kind, Record, decode_record
from streamtape.core.format.values import check_values
from streamtape.core.model import Ending, Part, Response
from streamtape.core.secrecy.redaction import CleanBytes, CleanRequest, CleanResponse
from streamtape.errors import DamagedCassetteError, UnsupportedVersionError

MAX_RECORD_BYTES: Final = 256 * 1024 * 1024
"""Limit on a record split over frames: eight times the largest request body."""

_PART_BYTES: Final = 4096
"""Room for nearly every part; it grows for a longer one."""

_SMALL_BYTES: Final = 4096
"""A shorter value can't become large, whatever it holds."""

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

UNDECODABLE: Final = (ValueError, TypeError, LookupError, msgpack.UnpackException)
"""What a value raises that is not what it should be."""


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
        _check_clean(request, CleanRequest)
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
        _check_clean(response, CleanResponse)
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
            _check_clean(raw, CleanBytes)
            frames.append(self._frames.pack(kind, self._pack_part((offset_ns, raw))))
            self._body_bytes += len(raw)
        self._part_count += len(raws)
        packed = b"".join(frames)
        self._frames.account(packed)
        return packed

    def keep(self, frame: Frame, payload: CleanBytes, record: Record | None) -> bytes:
        """
        Pack a frame of another file as it is, whether or not it is known.

        Args:
            payload: Of the frame, made sure to hold no key.
            record: What is whole with this frame. The END is packed with its trailer.
        """
        _check_clean(payload, CleanBytes)
        packed = self._frames.pack(frame.kind, payload, flags=frame.flags)
        match record:
            case End():
                return packed + self._frames.trailer()
            case Response() if record.is_event_stream:
                self._part_kind = Kind.EVENT
            case Part():
                self._part_count += 1
                self._body_bytes += len(record.raw)
        self._frames.account(packed)
        return packed

    def end(self, ending: Ending, summary: dict[str, Any]) -> bytes:
        """
        Pack the ending and the trailer; nothing may be packed after it.

        A summary that is too long for a reader is left out: it decides nothing.
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
        packed = _packb(fields)
        if not _is_readable(packed):
            packed = _packb(fields | {"summary": {}})
        return self._frames.pack(Kind.END, packed) + self._frames.trailer()

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
        self._split_kind: int | None = None
        self._split = bytearray()
        self._part_count = 0
        self._body_bytes = 0
        self._offset_ns = 0

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
            if (record := self.take(frame)) is not None:
                yield record
            if self.end is not None:
                return

    def take(self, frame: Frame) -> Record | None:
        """
        Take the next frame of the file, as :attr:`frames` gives it.

        Returns the record that is whole with it, None where it goes on in the next
        frame and for what holds none: a NOTE, a type that is not known.

        Raises:
            CassetteError: As for :meth:`feed`.
        """
        record = self._find_record(frame)
        if isinstance(record, End):
            self.end = record
            self.end_offset = frame.offset
        return record

    def _find_record(self, frame: Frame) -> Record | None:
        if self._split_kind not in (None, frame.kind):
            reason = f"frame type {frame.kind} within a split record"
            raise DamagedCassetteError(reason, offset=frame.offset)
        if frame.kind not in _KNOWN:
            if frame.flags & Flags.CRITICAL:
                reason = f"it needs a later streamtape: frame type {frame.kind}"
                raise UnsupportedVersionError(reason)
            return None
        if (payload := self._join(frame)) is None:
            return None
        kind = Kind(frame.kind)
        if kind is not Kind.NOTE:
            if kind not in _FOLLOWERS[self._previous]:
                reason = f"a {kind.name} frame can't stand here"
                raise DamagedCassetteError(reason, offset=frame.offset)
            self._previous = kind
        try:
            return self._decode(kind, payload)
        except UNDECODABLE as error:
            reason = f"a {kind.name} frame does not hold what it should"
            raise DamagedCassetteError(reason, offset=frame.offset) from error

    def _join(self, frame: Frame) -> bytes | bytearray | None:
        """
        Return the payload of a record; None while it goes on in the next frame.
        """
        has_more = frame.flags & Flags.MORE
        if self._split_kind is None and not has_more:
            return frame.payload
        self._split_kind = frame.kind
        self._split += frame.payload
        if len(self._split) > MAX_RECORD_BYTES:
            raise DamagedCassetteError("a record is too long", offset=frame.offset)
        if has_more:
            return None
        payload, self._split, self._split_kind = self._split, bytearray(), None
        return payload

    def _decode(self, kind: Kind, payload: bytes | bytearray) -> Record | None:
        value = unpack_value(payload)
        record = decode_record(kind, value)
        if isinstance(record, Part):
            if record.offset_ns < self._offset_ns:
                message = "time runs backwards"
                raise ValueError(message)
            self._offset_ns = record.offset_ns
            self._part_count += 1
            self._body_bytes += len(record.raw)
        elif isinstance(record, End):
            told = (record.part_count, record.body_bytes, value["sha256"])
            counted = (self._part_count, self._body_bytes, self.frames.digest_before())
            if counted != told:
                message = "the END frame disagrees with the frames before it"
                raise ValueError(message)
        return record


def _check_clean(value: object, kind: type) -> None:
    """
    Refuse what no redactor made, even where the types were not checked.
    """
    if type(value) is not kind:
        message = f"expected {kind.__name__}, got {type(value).__name__}"
        raise TypeError(message)


def unpack_value(payload: bytes | bytearray) -> Any:
    """
    Read the value of a record; nothing large comes out of what is small.

    Raises:
        ValueError: It is none, or holds what none may: an extension, a key twice.
        msgpack.UnpackException: As well. :data:`UNDECODABLE` has both.
    """
    if len(payload) > _SMALL_BYTES:
        check_values(payload)
    return msgpack.unpackb(
        payload, strict_map_key=True, max_ext_len=0, object_pairs_hook=_unique
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """
    Make a map, unless a key stands twice: readers would differ about what it says.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        message = "a key stands twice in a map"
        raise ValueError(message)
    return fields


def _is_readable(packed: bytes) -> bool:
    try:
        check_values(packed)
    except ValueError:
        return False
    return True


def _packb(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed
