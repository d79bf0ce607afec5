"""
What is known of one folder and of one file of a library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streamtape.library.entries import join, stem_and_take
from streamtape.library.stamps import Stamp, folder_stamp_of, stamp_of
from streamtape.library.writer import PART_SUFFIX

_NEVER_SEEN: Final[Stamp] = (-1,)


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

    def read_stamp(self) -> Stamp:
        """
        Return the stamp that the folder has now.
        """
        # The library itself may be a link; none in it is followed.
        return folder_stamp_of(self.path, follows_links=not self.names)


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

    def read_stamp(self) -> Stamp:
        """
        Return the stamp that the file has now.
        """
        return stamp_of(self._path)

    @property
    def _path(self) -> str:
        return join(self.folder.path, self.name)
