"""
The outer layer of a cassette: the magic and its checked, numbered frames.

A frame is a 12-byte head and a payload; what a payload means is
:mod:`streamtape.core.format.writer`'s business. See docs/format.md#frames.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Final
from zlib import crc32

MAGIC: Final = b"\x89STP1\r\n\x1a\n"
"""First bytes of every cassette. Each odd byte betrays one kind of conversion."""

TRAILER_MAGIC: Final = b"STPEND\n\0"
"""Last eight bytes of a finished cassette; the offset of its END frame precedes."""

HEAD: Final = struct.Struct("<IBBHI")
"""Payload length, type, flags, sequence number, CRC-32."""

CHECKED_HEAD: Final = struct.Struct("<IBBH")
"""All of the head but the CRC itself."""

TRAILER: Final = struct.Struct("<Q8s")

MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
"""A longer payload is split, so that a length that lies allocates no more than this."""

SEQUENCE_NUMBERS: Final = 0x10000
"""So many there are; after the last one, frames are numbered from 0 again."""


class Flags(IntFlag):
    """Bits of a frame's flags byte."""

    MORE = 1
    """The payload goes on in the next frame, which has the same type."""
    CRITICAL = 2
    """A reader that doesn't know the type must refuse the file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that has verified."""

    kind: int
    flags: int
    payload: bytes
    offset: int
    """Position of its first byte in the file."""


def find_frame(data: bytes, start: int = 0) -> Frame | None:
    """Return the sound frame that begins at a place, whatever its number, or None."""
    if start + HEAD.size > len(data):
        return None
    size, kind, flags, _, crc = HEAD.unpack_from(data, start)
    end = start + HEAD.size + size
    if not 0 < size <= MAX_PAYLOAD_BYTES or end > len(data):
        return None
    payload = data[start + HEAD.size : end]
    if checksum(data, payload, start) != crc:
        return None
    return Frame(kind, flags, payload, start)


def checksum(data: bytes | bytearray, payload: bytes, start: int = 0) -> int:
    """
    Return the CRC-32 that a frame should have.

    Args:
        data: Holds the frame's head, at `start`.
        payload: What stands after that head.
    """
    head = data[start : start + CHECKED_HEAD.size]
    return crc32(payload, crc32(head))
