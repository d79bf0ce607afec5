"""
Reading a cassette: its frames, the records in them, and what stands after the last.

:class:`FrameReader` gives the frames that verify and says what ended them;
:class:`RecordReader` makes records of them, in the order in which they must be. Single
records can be found where they stand, for indexes and listings, but only a
:class:`RecordReader` tells whether a file is sound.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamtape.core.format.frames import (
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_NUMBERS,
    TRAILER,
    TRAILER_MAGIC,
    Flags,
    Frame,
    checksum,
    find_frame,
)
from streamtape.core.format.packing import UNDECODABLE, unpack_value
from streamtape.core.format.records import End, Header, Kind, Record, decode_record
from streamtape.core.model import Part, Request
from streamtape.errors import (
    DamagedCassetteError,
    NotACassetteError,
    UnsupportedVersionError,
)

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


class RecordReader:
    """Finds the records in the bytes of a file; feed it blocks as they are read."""

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
        """Return the payload of a record; None while it goes on in the next frame."""
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
            stated = (record.part_count, record.body_bytes, value["sha256"])
            counted = (self._part_count, self._body_bytes, self.frames.digest_before())
            if counted != stated:
                message = "the END frame disagrees with the frames before it"
                raise ValueError(message)
        return record


# Bound once, and not at each frame: Python is slow to call what an imported name has.
_unpack_head = HEAD.unpack_from


@dataclass(frozen=True, slots=True)
class Fault:
    """Where and why a file stopped verifying."""

    offset: int
    reason: str


class FrameReader:
    """
    Finds the frames in the bytes of a file; feed it blocks as they are read.

    Gives back only frames that verify, in order, and stops for good at the first
    that doesn't: :attr:`fault` then says where and why. It never resynchronises.
    """

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._pending = bytearray()
        self._offset = 0  # Position in the file of the first pending byte.
        self._sequence = 0
        self._digest = hashlib.sha256()  # Of all that is before the last frame.
        self._last = b""

    def feed(self, block: bytes) -> Iterator[Frame]:
        """
        Take the next bytes of the file and yield the frames that are whole now.

        Raises:
            NotACassetteError: The file does not begin with the magic.
            UnsupportedVersionError: It is of a later major version.
        """
        self._pending += block
        if self._offset == 0 and not self._take_magic():
            return
        while self.fault is None and (frame := self._find_frame()) is not None:
            yield frame

    def digest_before(self) -> bytes:
        """SHA-256 of everything before the frame that was yielded last."""
        return self._digest.digest()

    @property
    def offset(self) -> int:
        """Position in the file after the last frame that verified."""
        return self._offset

    @property
    def pending(self) -> bytes:
        """The bytes after the last frame that verified."""
        return bytes(self._pending)

    def check_ended_in_magic(self) -> None:
        """
        Call at the end of the file: one shorter than the magic is no cassette.

        Raises:
            NotACassetteError: The file ended within the magic.
        """
        if self._offset == 0:
            raise NotACassetteError(explain_foreign(bytes(self._pending)))

    def _take_magic(self) -> bool:
        start = bytes(self._pending[:TELLING_BYTES])
        check_magic(start)
        if len(start) < len(MAGIC):
            return False
        self._take(len(MAGIC))
        return True

    def _find_frame(self) -> Frame | None:
        pending = self._pending
        if len(pending) < HEAD.size:
            return None
        size, kind, flags, sequence, crc = _unpack_head(pending)
        if not 0 < size <= MAX_PAYLOAD_BYTES:
            self._fail(f"a frame can't be {size} bytes long")
            return None
        end = HEAD.size + size
        if len(pending) < end:
            return None
        payload = bytes(pending[HEAD.size : end])
        if checksum(pending, payload) != crc:
            self._fail("a checksum is wrong")
            return None
        if sequence != self._sequence:
            self._fail(
                f"expected frame {self._sequence}, got {sequence}: "
                "one was removed, doubled or moved"
            )
            return None
        frame = Frame(kind, flags, payload, self._offset)
        self._sequence = (sequence + 1) % SEQUENCE_NUMBERS
        self._take(end)
        return frame

    def _fail(self, reason: str) -> None:
        self.fault = Fault(self._offset, reason)

    def _take(self, size: int) -> None:
        self._digest.update(self._last)
        self._last = bytes(self._pending[:size])
        del self._pending[:size]
        self._offset += size


TELLING_BYTES: Final = 64
"""How many of them are enough to tell."""


def check_magic(start: bytes) -> None:
    """
    Refuse a file that can't be a cassette, however it goes on.

    Args:
        start: Its first bytes, maybe fewer than the magic has.

    Raises:
        NotACassetteError: It does not begin with the magic.
        UnsupportedVersionError: It is of a later major version.
    """
    magic = start[: len(MAGIC)]
    if MAGIC.startswith(magic):
        return
    if _is_magic(magic) and magic[4:5].isdigit():
        reason = (
            f"format version {magic[4:5].decode()}, and this streamtape reads "
            "version 1; upgrade streamtape or record it again"
        )
        raise UnsupportedVersionError(reason)
    raise NotACassetteError(explain_foreign(start))


def explain_foreign(start: bytes) -> str:
    """
    Say what a file is that is no cassette, and what to do about it.

    Args:
        start: As for :func:`check_magic`; all there is of a file that ends within
            the magic.
    """
    if not start:
        return "not a cassette: the file is empty; remove it, and record it again"
    if MAGIC.startswith(start):
        return (
            f"not a cassette: it ends after {len(start)} bytes; remove it, and record "
            "it again"
        )
    if start.startswith(b"version https://git-lfs"):
        return "not a cassette but a Git LFS pointer; run git lfs pull"
    if start.startswith(b"<<<<<<<"):
        return "not a cassette but a merge conflict; check out one of the two files"
    if start.startswith(b"\x1f\x8b"):
        return "not a cassette but a file that gzip packed; unpack it with gunzip"
    wrong = [at for at in range(len(MAGIC)) if start[at : at + 1] != MAGIC[at : at + 1]]
    if len(wrong) == 1 and start[0] != MAGIC[0] & 0x7F:
        # Cut off eighth bits are a conversion, and so is another line end.
        (at,) = wrong
        if not {start[at], MAGIC[at]} <= set(b"\r\n"):
            return (
                f"damaged in its first bytes: byte {at} is {start[at]:#04x}, not "
                f"{MAGIC[at]:#04x}; restore it"
            )
    # Two bytes stand for each character of UTF-16.
    is_near = b"STP" in start[:12] or b"S\0T\0P" in start[:12]
    if is_near and not _is_magic(start[: len(MAGIC)]):
        return (
            "a text conversion damaged this cassette; restore it, and mark *.tape "
            "as binary in .gitattributes"
        )
    return f"not a cassette: it begins with {start[:9]!r}, not with {MAGIC!r}"


def _is_magic(start: bytes) -> bool:
    """Whether these are the first bytes of a cassette of some version."""
    return start[:4] == MAGIC[:4] and start[5:] == MAGIC[5 : len(start)]


_LIKELY_HEAD: Final = re.compile(rb"[\0\x01](?=[^\0][\0-\x03])")
"""The last byte of a length that a frame may have, before a type and its flags."""

_SEARCHED_BYTES: Final = 4 * MAX_PAYLOAD_BYTES
"""What a search may check: a tail that is all heads would take it for ever."""

_LOOK_BYTES: Final = 1024
"""What looking at one place costs, counted in bytes that are checked."""

_MARKERS: Final = (b"\n<<<<<<< ", b"\n>>>>>>> ")
"""What Git writes around the two sides of a conflict."""


def find_later_frame(tail: bytes) -> Frame | None:
    """
    Return a sound frame somewhere in a tail that does not verify, or None.

    Tells damage in the middle of a file from a truncated tail; what is found here is
    never played. The search gives up on a tail that was made to keep it busy.
    """
    searched = 0
    for likely in _LIKELY_HEAD.finditer(tail, 4):
        start = likely.start() - 3
        if (frame := find_frame(tail, start)) is not None:
            return frame
        size = int.from_bytes(tail[start : start + 4], "little")
        is_whole = size <= min(MAX_PAYLOAD_BYTES, len(tail) - start - HEAD.size)
        searched += _LOOK_BYTES + (size if is_whole else 0)
        if searched > _SEARCHED_BYTES:
            break
    return None


def is_truncated(tail: bytes) -> bool:
    """
    Whether a tail is less than one frame, and nothing or zeros after it.

    Zeros stand where a file had grown but its last bytes were lost with the power.
    """
    written = tail.rstrip(b"\0")
    if len(written) >= HEAD.size:
        size = HEAD.unpack_from(written)[0]
        if not len(written) - HEAD.size < size <= MAX_PAYLOAD_BYTES:
            return False
    return find_later_frame(written) is None


def check_trailer(tail: bytes, end_offset: int, tail_offset: int) -> None:
    """
    Behind the END frame there may be its trailer, or what was written of it.

    Zeros stand where a file had grown but its last bytes were lost with the power.
    """
    if len(tail) > TRAILER.size:
        reason = "bytes follow its end"
        raise DamagedCassetteError(reason, offset=tail_offset + TRAILER.size)
    if not TRAILER.pack(end_offset, TRAILER_MAGIC).startswith(tail.rstrip(b"\0")):
        raise DamagedCassetteError("its trailer is wrong", offset=tail_offset)


def holds_conflict(tail: bytes) -> bool:
    """Whether Git left the two sides of a conflict in a tail."""
    return any(marker in b"\n" + tail for marker in _MARKERS)


def find_header(start: bytes) -> Header | None:
    """
    Read the HEADER in the first bytes of a file, or return None where none is whole.

    For indexes: what stands after it in the file is not looked at.
    """
    return _find_header(start)[0]


def find_request(start: bytes) -> Request | None:
    """
    Read the REQUEST in the first bytes of a file, or return None where none is whole.

    It must follow the HEADER at once and be in one frame, as it is but in odd files.
    For indexes, as it takes a third of a :class:`RecordReader`'s time.
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
        record = decode_record(kind, unpack_value(frame.payload))
    except UNDECODABLE:
        return None, start
    return record, start + HEAD.size + len(frame.payload)
