"""
The outer layer of a cassette: the magic and its checked, numbered frames.

A frame is a 12-byte head and a payload; what a payload means is
:mod:`streamtape.core.format.tape_writer`'s business. See docs/format.md#frames.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Final
from zlib import crc32

from streamtape.errors import NotACassetteError, UnsupportedVersionError

MAGIC: Final = b"\x89STP1\r\n\x1a\n"
"""First bytes of every cassette. Each odd byte betrays one kind of conversion."""

TRAILER_MAGIC: Final = b"STPEND\n\0"
"""Last eight bytes of a finished cassette; the offset of its END frame precedes."""

HEAD: Final = struct.Struct("<IBBHI")
"""Payload length, type, flags, sequence number, CRC-32."""

TRAILER: Final = struct.Struct("<Q8s")

MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
"""A longer payload is split, so that a length that lies allocates no more than this."""

_SEQUENCE = 0x10000

_CHECKED_HEAD: Final = struct.Struct("<IBBH")
"""All of the head but the CRC itself."""


class Flags(IntFlag):
    """
    Bits of a frame's flags byte.
    """

    MORE = 1
    """The payload goes on in the next frame, which has the same type."""
    CRITICAL = 2
    """A reader that doesn't know the type must refuse the file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One frame that has verified.
    """

    kind: int
    flags: int
    payload: bytes
    offset: int
    """Position of its first byte in the file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Where and why a file stopped verifying.
    """

    offset: int
    reason: str


class FrameWriter:
    """
    Turns payloads into the bytes of a file, in order.
    """

    def __init__(self) -> None:
        self._sequence = 0
        self._digest = hashlib.sha256(MAGIC)
        self._position = len(MAGIC)

    def pack(self, kind: int, payload: bytes, *, flags: int = 0) -> bytes:
        """
        Return the frame, or the frames where the payload is longer than one holds.
        """
        if len(payload) <= MAX_PAYLOAD_BYTES:
            return self._pack_one(kind, payload, flags)
        packed = []
        last = (len(payload) - 1) // MAX_PAYLOAD_BYTES * MAX_PAYLOAD_BYTES
        for start in range(0, last + 1, MAX_PAYLOAD_BYTES):
            more = 0 if start == last else Flags.MORE
            piece = payload[start : start + MAX_PAYLOAD_BYTES]
            packed.append(self._pack_one(kind, piece, flags | more))
        return b"".join(packed)

    def account(self, packed: bytes) -> None:
        """
        Add frames to the digest and the position, once, in the order of the file.
        """
        self._digest.update(packed)
        self._position += len(packed)

    @property
    def digest(self) -> bytes:
        """
        SHA-256 of all bytes accounted for so far.
        """
        return self._digest.digest()

    def trailer(self) -> bytes:
        """
        The last bytes of the file; call it before the END frame is accounted for.
        """
        return TRAILER.pack(self._position, TRAILER_MAGIC)

    def _pack_one(self, kind: int, payload: bytes, flags: int) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) % _SEQUENCE
        size = len(payload)
        crc = crc32(payload, crc32(_CHECKED_HEAD.pack(size, kind, flags, sequence)))
        return HEAD.pack(size, kind, flags, sequence, crc) + payload


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
        """
        SHA-256 of everything before the frame that was yielded last.
        """
        return self._digest.digest()

    @property
    def offset(self) -> int:
        """
        Position in the file behind the last frame that verified.
        """
        return self._offset

    @property
    def pending(self) -> bytes:
        """
        The bytes behind the last frame that verified.
        """
        return bytes(self._pending)

    def check_ended_in_magic(self) -> None:
        """
        Call at the end of the file: one shorter than the magic is no cassette.

        Raises:
            NotACassetteError: The file ended within the magic.
        """
        if self._offset == 0:
            raise NotACassetteError(_explain_foreign(bytes(self._pending)))

    def _take_magic(self) -> bool:
        start = bytes(self._pending[: len(MAGIC)])
        if not MAGIC.startswith(start):
            if _is_magic(start) and start[4:5].isdigit():
                reason = (
                    f"format version {start[4:5].decode()}, and this streamtape reads "
                    "version 1; upgrade streamtape or record it again"
                )
                raise UnsupportedVersionError(reason)
            raise NotACassetteError(_explain_foreign(bytes(self._pending[:64])))
        if len(start) < len(MAGIC):
            return False
        self._take(len(MAGIC))
        return True

    def _find_frame(self) -> Frame | None:
        pending = self._pending
        if len(pending) < HEAD.size:
            return None
        size, kind, flags, sequence, crc = HEAD.unpack_from(pending)
        if not 0 < size <= MAX_PAYLOAD_BYTES:
            self._fail(f"a frame can't be {size} bytes long")
            return None
        end = HEAD.size + size
        if len(pending) < end:
            return None
        payload = bytes(pending[HEAD.size : end])
        if _crc(pending, payload) != crc:
            self._fail("a checksum is wrong")
            return None
        if sequence != self._sequence:
            self._fail(
                f"expected frame {self._sequence}, got {sequence}: "
                "one was removed, doubled or moved"
            )
            return None
        frame = Frame(kind, flags, payload, self._offset)
        self._sequence = (sequence + 1) % _SEQUENCE
        self._take(end)
        return frame

    def _fail(self, reason: str) -> None:
        self.fault = Fault(self._offset, reason)

    def _take(self, size: int) -> None:
        self._digest.update(self._last)
        self._last = bytes(self._pending[:size])
        del self._pending[:size]
        self._offset += size


def find_frame(data: bytes, start: int = 0) -> Frame | None:
    """
    Return the sound frame that begins at a place, whatever its number, or None.
    """
    if start + HEAD.size > len(data):
        return None
    size, kind, flags, _, crc = HEAD.unpack_from(data, start)
    end = start + HEAD.size + size
    if not 0 < size <= MAX_PAYLOAD_BYTES or end > len(data):
        return None
    payload = data[start + HEAD.size : end]
    if _crc(data, payload, start) != crc:
        return None
    return Frame(kind, flags, payload, start)


def _crc(data: bytes | bytearray, payload: bytes, start: int = 0) -> int:
    head = data[start : start + _CHECKED_HEAD.size]
    return crc32(payload, crc32(head))


def _explain_foreign(start: bytes) -> str:
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
        # A conversion would have changed the length, or cut off all eighth bits.
        (at,) = wrong
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
    """
    Whether these are the first bytes of a cassette of some version.
    """
    return start[:4] == MAGIC[:4] and start[5:] == MAGIC[5 : len(start)]
