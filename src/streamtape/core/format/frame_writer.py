"""
Writing frames: numbered, with a checksum, and split where a payload is long.
"""

from __future__ import annotations

import hashlib
from zlib import crc32

from streamtape.core.format.frames import (
    CHECKED_HEAD,
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_NUMBERS,
    TRAILER,
    TRAILER_MAGIC,
    Flags,
)

# Bound once, and not at each frame: Python is slow to call what an imported name has.
_pack_head = HEAD.pack
_pack_checked_head = CHECKED_HEAD.pack


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
        self._sequence = (sequence + 1) % SEQUENCE_NUMBERS
        size = len(payload)
        crc = crc32(payload, crc32(_pack_checked_head(size, kind, flags, sequence)))
        return _pack_head(size, kind, flags, sequence, crc) + payload
