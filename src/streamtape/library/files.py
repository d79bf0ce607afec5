"""
What is known of one folder and of one file of a library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streamtape.library.entries import TAPE_SUFFIX, join, stem_and_take
from streamtape.library.stamps import Stamp, folder_stamp_of, stamp_of
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
    """
    A folder of the library, with what was in it at the last look.
    """

    path: str
    names: tuple[str, ...]
    """From the library's folder to this one."""
    stamp: Stamp = _NEVER_SEEN
    is_settled: bool = False
    files: dict[str, File] = field(default_factory=dict)
    looked_ns: int | None = None
    """When all its files were looked at last, on the wall; None to do so now."""

    def read_stamp(self) -> Stamp:
        """
        Return the stamp that the folder has now.
        """
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
        """
        Where it is.
        """
        return Path(self._path)

    @property
    def is_part(self) -> bool:
        """
        Whether its recording has not ended, or never will.
        """
        return self.name.endswith(PART_SUFFIX)

    @property
    def order(self) -> tuple[tuple[str, ...], str, int, str]:
        """
        What sorts takes as they were recorded, folder by folder.
        """
        return (self.folder.names, *stem_and_take(self.name), self.name)

    @property
    def known(self) -> Known:
        """
        What it was at the last look.
        """
        names = (*self.folder.names, self.name.removesuffix(TAPE_SUFFIX))
        return Known(
            name="/".join(names),
            stem=stem_and_take(self.name)[0],
            size_bytes=self.stamp[-1],
            path=self.path,
        )

    def read_stamp(self) -> Stamp:
        """
        Return the stamp that the file has now.
        """
        return stamp_of(self._path)

    @property
    def _path(self) -> str:
        return join(self.folder.path, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    What is known of a cassette without opening it.
    """

    name: str
    """As :meth:`~streamtape.library.folder.Library.name_of`."""
    stem: str
    """The file's name without take and ending."""
    size_bytes: int
    path: Path
