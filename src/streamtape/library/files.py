"""
What is known of one folder and of one file of a library.

A stamp tells that one has changed, and when that can be relied on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from streamtape.library.filenames import TAPE_SUFFIX, join, stem_and_take
from streamtape.library.writer import PART_SUFFIX

_NEVER_SEEN: Final[Stamp] = (-1,)

_LOOK_EVERY_NS: Final = 1_000_000_000
_LOOK_EVERY_NS_EACH: Final = 1_000_000
"""
How often a folder's files are all looked at, the more of them the more seldom: a file
that is written over changes nothing that can be seen of its folder.
"""


@dataclass(slots=True, eq=False)
class Folder:
    """A folder of the library, with what was in it at the last look."""

    path: str
    names: tuple[str, ...]
    """From the library's folder to this one."""
    stamp: Stamp = _NEVER_SEEN
    is_settled: bool = False
    files: dict[str, File] = field(default_factory=dict)
    looked_ns: int | None = None
    """When all its files were looked at last, on the wall; None to do so now."""

    def read_stamp(self) -> Stamp:
        """Return the stamp that the folder has now."""
        # The library itself may be a link; none in it is followed.
        return folder_stamp_of(self.path, follows_links=not self.names)

    def is_due(self, now_ns: int) -> bool:
        """
        Whether it is time to look at all its files.

        Args:
            now_ns: On the wall; 0 if there is no clock, and then it always is.
        """
        if self.looked_ns is None or not now_ns:
            return True
        # The clock may have been put back.
        passed_ns = abs(now_ns - self.looked_ns)
        return passed_ns >= max(_LOOK_EVERY_NS, _LOOK_EVERY_NS_EACH * len(self.files))


@dataclass(slots=True, eq=False)
class File:
    """
    A cassette or part. There may be ten thousand, so it holds little.
    """

    folder: Folder
    name: str
    stamp: Stamp = _NEVER_SEEN
    is_settled: bool = False
    key: str | None = None
    """None for what can't be read, and for a part while it is being recorded."""
    is_sure: bool = False
    """Whether the key is that of the request, and not only what the file says."""
    is_earlier: bool = False
    """Whether it is as it was when the library was first looked at."""
    fault: str | None = None
    """What was said of it when it was left out."""

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self._path)

    @property
    def is_part(self) -> bool:
        """Whether its recording has not ended, or never will."""
        return self.name.endswith(PART_SUFFIX)

    @property
    def order(self) -> tuple[tuple[str, ...], str, int, str]:
        """What sorts takes as they were recorded, folder by folder."""
        return (self.folder.names, *stem_and_take(self.name), self.name)

    @property
    def known(self) -> Known:
        """What it was at the last look."""
        names = (*self.folder.names, self.name.removesuffix(TAPE_SUFFIX))
        return Known(
            name="/".join(names),
            stem=stem_and_take(self.name)[0],
            size_bytes=self.stamp[-1],
            path=self.path,
        )

    def read_stamp(self) -> Stamp:
        """Return the stamp that the file has now."""
        return stamp_of(self._path)

    @property
    def _path(self) -> str:
        return join(self.folder.path, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a cassette without opening it."""

    name: str
    """As :meth:`~streamtape.library.library.Library.name_of`."""
    stem: str
    """The file's name without take and ending."""
    size_bytes: int
    path: Path


Stamp: TypeAlias = tuple[int, ...]
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


def stamp_of(path: Path | str) -> Stamp:
    """Return the stamp of a file, or of a link itself."""
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    return _stamp(status)


def folder_stamp_of(path: str, *, follows_links: bool) -> Stamp:
    """
    Return the stamp of a folder, which changes with the names in it, and with what
    is said about the folder itself.
    """
    try:
        status = Path(path).stat(follow_symlinks=follows_links)
    except OSError:
        return ()
    return _stamp(status) if stat.S_ISDIR(status.st_mode) else ()


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
    return all(_is_past(at_ns, now_ns) for at_ns in stamp[1:-1])


def _stamp(status: os.stat_result) -> Stamp:
    # Windows has the time of the creation there, which does no harm.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _is_past(changed_ns: int, now_ns: int) -> bool:
    # A file system with finer times has one in whole seconds once in a blue moon.
    tick_ns = _TICK_NS if changed_ns % 1_000_000_000 else _COARSE_TICK_NS
    return changed_ns + tick_ns < now_ns
