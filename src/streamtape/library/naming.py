"""
Which name a recording gets: that of a next take, or of the takes that it replaces.
"""

from __future__ import annotations

import logging
from pathlib import Path

from streamtape.library.commit import give_next_name, take_places
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
        self._recorded_keys: set[str] = set()

    def begin_run(self) -> None:
        """
        Let all that is there at the next look everywhere be of an earlier run.
        """
        self._recorded_keys.clear()
        self._index.begin_run()

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
        earlier: list[File] = []
        if replace and key not in self._recorded_keys:
            # What another recorder has changed since is of this run.
            earlier = [
                file
                for file in takes
                if file.is_earlier and file.stamp == file.read_stamp()
            ]
        try:
            if earlier:
                path = take_places(writer.disk, part, [file.path for file in earlier])
            else:
                last = takes[-1].name if takes else None
                path = give_next_name(writer.disk, part, writer.stem, last)
        except OSError as error:
            log.error("%s: can't be given its name: %s", part, error.strerror or error)
            return None
        writer.path = None
        self._recorded_keys.add(key)
        for file in earlier:
            self._index.forget(file)
        self._index.add(path, key)
        return path

    def _takes_in(self, folder: Path, key: str) -> list[File]:
        return [
            file
            for file in self._index.takes(key)
            if file.folder.path == str(folder) and not file.is_part
        ]
