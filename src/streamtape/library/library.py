"""
A folder of cassettes: what is in it, by key, and how a new one gets its name.

There is no index file; the files are the truth. What this process knows of them is
a cache, and no answer is given before it was compared with the files it is about.
A recording gets the name of a next take, or those of the takes that it replaces.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from streamtape.core.matching.key import request_key
from streamtape.core.model import Request
from streamtape.errors import CassetteError
from streamtape.library.atomic import give_next_name, remove_take, sync_folder
from streamtape.library.disk import current_disk, is_locked
from streamtape.library.filenames import TAPE_SUFFIX, Entry, entry_of, walk
from streamtape.library.files import File, Known, WallClock
from streamtape.library.index import Index, KeySource
from streamtape.library.reader import is_whole, read_request
from streamtape.library.writer import CassetteWriter

log = logging.getLogger(__name__)


class Library:
    """
    The cassettes of one folder and its sub-folders. Safe to use from several threads.

    Args:
        folder: Need not exist; it is made when the first cassette is recorded.
        key_of: Computes the key of a redacted request, 64 hex digits.
        uses_stored_keys: Whether `key_of` follows the default rules, so that the
            keys that recorders wrote into the files are its own.
        wall_ns: Wall clock in ns since 1970, by which a file that was changed just
            now is told from others. None to read all again at each look.
    """

    def __init__(
        self,
        folder: Path | str,
        key_of: Callable[[Request], str] = request_key,
        *,
        uses_stored_keys: bool = True,
        wall_ns: WallClock | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        keys = KeySource(key_of=key_of, uses_stored=uses_stored_keys)
        self._index = Index(self.folder, keys, wall_ns)
        self._naming = Naming(self._index)

    def entries(self) -> list[Entry]:
        """List all cassettes and parts that there are now, sorted."""
        return sorted(entry_of(Path(path)) for path in walk(str(self.folder)))

    def name_of(self, path: Path) -> str:
        """The path within the library without the ending: what people call it."""
        relative = path.relative_to(self.folder) if path != self.folder else path
        return relative.as_posix().removesuffix(TAPE_SUFFIX)

    def refresh(self) -> None:
        """
        Look at the folder again and read what is new or changed.

        A file that is no cassette is left out, with a warning in the log.

        Raises:
            CassetteError: No file can be opened now, whatever is in it.
        """
        with self._lock:
            self._index.look_everywhere()

    def find_takes(self, key: str) -> list[Path] | None:
        """
        Return what :meth:`takes` would, or None if more than a few stats would tell.

        Never blocks.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            whole = [file for file in self._index.takes(key) if not file.is_part]
            if not whole or not self._index.is_current(whole):
                return None
            return [file.path for file in whole]
        finally:
            self._lock.release()

    def takes(self, key: str, asked: Request | None = None) -> list[Path]:
        """
        Return the recorded answers to one request, in their order, maybe none.

        Each was made sure to hold a request of this key. Files that others added,
        changed or removed are seen, all of them where nothing is known to answer,
        else those in the folders of what does; of a file there that was written over,
        and held another request, it may take a second, and ten among 10,000 files.
        Parts whose recorder was killed stand in where nothing else answers. Blocks
        for the disk.

        Args:
            asked: The request itself, redacted, which makes this faster.

        Raises:
            CassetteError: As for :meth:`refresh`.
        """
        with self._lock:
            self._index.look_near(key)
            self._index.check(key, asked)
            files = self._index.takes(key)
            if all(file.is_part for file in files):
                self._index.look_everywhere()
                self._index.check(key, asked)
                files = self._index.takes(key)
            whole = [file.path for file in files if not file.is_part]
            return whole or [file.path for file in files if not is_locked(file.path)]

    def has_whole(self, key: str) -> bool:
        """Whether some take of a request is whole, as :func:`is_whole` has it."""
        with contextlib.suppress(CassetteError):
            paths = self.takes(key)
            return any(is_whole(path) for path in paths)
        return False

    def keys(self) -> dict[Path, str]:
        """
        Return the key of each cassette at the last look; what can't be read has none.
        """
        with self._lock:
            files = list(self._index.files())
        return {file.path: file.key for file in files if file.key and not file.is_part}

    def known(self) -> list[Known]:
        """List what was known at the last look, without a look at the disk, sorted."""
        with self._lock:
            files = list(self._index.files())
        return [file.known for file in sorted(files, key=lambda file: file.order)]

    def request_of(self, path: Path) -> Request:
        """
        Return the redacted request of a cassette.

        Raises:
            CassetteError: It can't be read.
        """
        return read_request(path)

    def requests(self) -> Iterator[tuple[str, Request]]:
        """Yield the name and the request of every cassette that can be read."""
        for known in self.known():
            with contextlib.suppress(CassetteError):
                yield known.name, read_request(known.path)

    @property
    def is_empty(self) -> bool:
        """Whether there is no cassette at all, parts apart."""
        return not any(path.endswith(TAPE_SUFFIX) for path in walk(str(self.folder)))

    def begin_run(self) -> None:
        """
        Let what was recorded until now be of an earlier run, for :meth:`commit`.

        End the run before it, and refresh the library after it.
        """
        with self._lock:
            self._naming.begin_run()

    def end_run(self, lacking: Collection[str]) -> None:
        """
        Remove the takes of earlier runs in whose place this run has recorded others.

        Args:
            lacking: Keys of requests that were not all recorded whole; of those
                nothing is removed.
        """
        with self._lock:
            self._naming.end_run(lacking)

    def commit(self, writer: CassetteWriter, key: str, *, replace: bool) -> Path | None:
        """
        Give a whole recording its name and return its path, or None if the disk failed.

        Blocks for the disk. Without `replace`, and where there is nothing to replace,
        it becomes the next take, and no file is overwritten.

        Args:
            replace: Let the n-th recording of a key in a run take the place of the
                n-th take in its folder that was there when the run began. Those for
                which there is none stay until :meth:`end_run`.
        """
        # Others may look up takes in the meantime: the lock waits for no disk.
        writer.sync()
        with contextlib.closing(writer):
            part = writer.path
            if writer.failure is not None or part is None:
                return None
            if os.name == "nt":
                # It renames no open file. Elsewhere it stays open, and so locked, for
                # another recorder would take it for an orphan's.
                writer.close()
            with self._lock:
                path = self._naming.give(writer, part, key, replace=replace)
        if path is not None:
            sync_folder(writer.disk, path)
        return path


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
        """Let all that is there at the next look everywhere be of an earlier run."""
        self._earlier.clear()
        self._index.begin_run()

    def end_run(self, lacking: Collection[str]) -> None:
        """
        Remove what earlier runs have left of the keys that this run has recorded.

        Args:
            lacking: As for :meth:`~streamtape.library.library.Library.end_run`.
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
            replace: As for :meth:`~streamtape.library.library.Library.commit`.
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
