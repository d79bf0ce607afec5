"""
What tells that a file or folder has changed, and when it can be relied on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

Stamp: TypeAlias = tuple[int, ...]
"""Number, time of the last change in ns, and size in bytes; empty for nothing."""

WallClock: TypeAlias = Callable[[], int]
"""Tells the time in ns since 1970, as the times of files do."""

_TICK_NS: Final = 50_000_000
"""Longer than any kernel's tick, by which most file systems count."""

_COARSE_TICK_NS: Final = 2_000_000_000
"""That of FAT; others count whole seconds."""


def stamp_of(path: Path | str) -> Stamp:
    """
    Return the stamp of a file, or of a link itself.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def folder_stamp_of(path: str, *, follows_links: bool) -> Stamp:
    """
    Return the stamp of a folder, which changes with the names in it and no more.
    """
    try:
        status = Path(path).stat(follow_symlinks=follows_links)
    except OSError:
        return ()
    if not stat.S_ISDIR(status.st_mode):
        return ()
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def is_settled(stamp: Stamp, now_ns: int) -> bool:
    """
    Whether every change behind this stamp gives another one.

    The times of files move in ticks. What is changed, read and changed again within
    one has the same time before and after, which Git calls racily clean. So a stamp
    is relied on only if it was old when it was taken; what has a younger one is
    read again at the next look, however equal it seems.

    Args:
        now_ns: Wall clock before the stamp was taken; 0 if there is none, and then
            no stamp is settled.
    """
    if not stamp:
        return True
    changed_ns = stamp[1]
    # A file system with finer times has one in whole seconds once in a blue moon.
    tick_ns = _TICK_NS if changed_ns % 1_000_000_000 else _COARSE_TICK_NS
    return changed_ns + tick_ns < now_ns
