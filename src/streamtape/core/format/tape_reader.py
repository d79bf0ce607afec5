"""
Reading the records in the frames of a cassette, in the order in which they must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamtape.core.format.frame_reader import FrameReader
from streamtape.core.format.frames import Flags, Frame
from streamtape.core.format.packing import UNDECODABLE, unpack_value
from streamtape.core.format.records import End, Kind, Record, decode_record
from streamtape.core.model import Part
from streamtape.errors import DamagedCassetteError, UnsupportedVersionError

MAX_RECORD_BYTES: Final = 256 * 1024 * 1024
"""Limit on a record split over frames: eight times the largest request body."""

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
