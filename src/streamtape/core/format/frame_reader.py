"""
Reading frames: those that verify, in order, and what ended them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from streamtape.core.format.first_bytes import (
    TELLING_BYTES,
    check_magic,
    explain_foreign,
)
from streamtape.core.format.frames import (
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_NUMBERS,
    Frame,
    checksum,
)
from streamtape.errors import NotACassetteError

# Bound once, and not at each frame: Python is slow to call what an imported name has.
_unpack_head = HEAD.unpack_from


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Where and why a file stopped verifying.
    """

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
