"""
File signatures: what tells that a file has changed, without reading it.

And when that can be relied on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

Signature: TypeAlias = tuple[int, ...]
"""
Number, time of the last change of the content and of anything else about the file,
both in ns, and size in bytes; empty for nothing.

The first time can be put back to what it was, and some tools do; the second can't.
"""

WallClock: TypeAlias = Callable[[], int]
"""Tells the time in ns since 1970, as the times of files do."""

_TICK_NS: Final = 50_000_000
"""Longer than any kernel's tick, by which most file systems count."""

_COARSE_TICK_NS: Final = 2_000_000_000
"""That of FAT; others count whole seconds."""


def signature_of(path: Path | str) -> Signature:
    """Return the signature of a file, or of a link itself."""
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    # Windows has the time of the creation there, which does no harm.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def is_settled(signature: Signature, now_ns: int) -> bool:
    """
    Whether every change after this signature gives another one.

    The times of files move in ticks. What is changed, read and changed again within
    one has the same time before and after, which Git calls racily clean. So a
    signature is relied on only if it was old when it was taken; what has a younger
    one is read again at the next look, however equal it seems.

    Args:
        now_ns: Wall clock before the signature was taken; 0 if there is none, and
            then no signature is settled.
    """
    return all(_is_past(at_ns, now_ns) for at_ns in signature[1:-1])


def _is_past(changed_ns: int, now_ns: int) -> bool:
    # A file system with finer times has one in whole seconds once in a blue moon.
    tick_ns = _TICK_NS if changed_ns % 1_000_000_000 else _COARSE_TICK_NS
    return changed_ns + tick_ns < now_ns
