"""
What stands behind the last sound frame of a file, and what it says of the file.
"""

from __future__ import annotations

import re
from typing import Final

from streamtape.core.format.frames import (
    HEAD,
    MAX_PAYLOAD_BYTES,
    TRAILER,
    TRAILER_MAGIC,
    Frame,
    find_frame,
)
from streamtape.errors import DamagedCassetteError

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

    Tells damage in the middle of a file from a torn tail; what is found here is
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


def is_torn(tail: bytes) -> bool:
    """
    Whether a tail is less than one frame, and nothing or zeros behind it.

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
    """
    Whether Git left the two sides of a conflict in a tail.
    """
    return any(marker in b"\n" + tail for marker in _MARKERS)
