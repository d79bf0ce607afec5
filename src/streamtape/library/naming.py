"""
Which name a recording gets: that of a next take, or of the take that it replaces.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from streamtape.library.commit import give_next_name, remove_take
from streamtape.library.disk import current_disk
from streamtape.library.files import File
from streamtape.library.index import Index
from streamtape.library.writer import CassetteWriter

log = logging.getLogger(__name__)


class Naming:
    """
    Gives the recordings of a run their names; to be used by one thread at a time.

    Args:
        index: Knows the takes that there are, and is told of those that come.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._earlier: dict[str, list[File]] = {}
        """
        Takes of earlier runs that still have their place, by each key that this run
        has recorded. What got nothing in its place is never taken away.
        """

    def begin_run(self) -> None:
        """
        Let all that is there at the next look everywhere be of an earlier run.
        """
        self._earlier.clear()
        self._index.begin_run()

    def end_run(self, lacking: Collection[str]) -> None:
        """
        Remove what earlier runs have left of the keys that this run has recorded.

        Args:
            lacking: As for :meth:`~streamtape.library.folder.Library.end_run`.
        """
        for key, files in self._earlier.items():
            for file in files if key not in lacking else ():
                if _is_unchanged(file):
                    remove_take(current_disk(), file.path)
                    self._index.forget(file)
        self._earlier.clear()

    def give(
        self, writer: CassetteWriter, part: Path, key: str, *, replace: bool
    ) -> Path | None:
        """
        Give a whole recording its name and return its path, or None if the disk failed.

        Args:
            part: Where the writer's file is until then.
            replace: As for :meth:`~streamtape.library.folder.Library.commit`.
        """
        takes = self._takes_in(writer.folder, key)
        earlier = self._earlier.setdefault(key, list(takes) if replace else [])
        while earlier and not _is_unchanged(earlier[0]):
            earlier.pop(0)
        try:
            if replace and earlier:
                path = earlier[0].path
                writer.disk.rename(part, path)
                earlier.pop(0)
            else:
                last = takes[-1].name if takes else None
                path = give_next_name(writer.disk, part, writer.stem, last)
        except OSError as error:
            log.error("%s: can't be given its name: %s", part, error.strerror or error)
            return None
        writer.path = None
        self._index.add(path, key)
        return path

    def _takes_in(self, folder: Path, key: str) -> list[File]:
        return [
            file
            for file in self._index.takes(key)
            if file.folder.path == str(folder) and not file.is_part
        ]


def _is_unchanged(file: File) -> bool:
    """
    Whether a file is of an earlier run; what another recorder has changed is of this.
    """
    return file.is_earlier and file.stamp == file.read_stamp()
