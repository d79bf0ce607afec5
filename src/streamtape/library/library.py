"""
A folder of cassettes: what is in it, by key, and how a new one gets its name.

There is no index file; the files are the truth. What this process knows of them is a
cache: a hit is found in it, and made sure of when it is played; a miss looks at the
folder anew. A recording gets the name of a next take, or that of one it replaces.
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
from streamtape.library.disk import Disk, is_locked
from streamtape.library.filenames import TAPE_SUFFIX, Entry, entry_of, walk
from streamtape.library.index import CassetteInfo, File, Index, KeySource
from streamtape.library.reader import is_whole
from streamtape.library.signature import WallClock, signature_of
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
        disk: Where to write; None for the usual one.
    """

    def __init__(
        self,
        folder: Path | str,
        key_of: Callable[[Request], str] = request_key,
        *,
        uses_stored_keys: bool = True,
        wall_ns: WallClock | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        keys = KeySource(key_of=key_of, uses_stored=uses_stored_keys)
        self._index = Index(self.folder, keys, wall_ns)
        self._disk = disk or Disk()
        self._naming = Naming(self._index, self._disk)
        self._looks_begun = 0
        self._last_look = 0
        """The number of the last look that did not fail."""

    def entries(self) -> list[Entry]:
        """List all cassettes and parts that there are now, sorted."""
        return sorted(entry_of(Path(path)) for _, path in walk(str(self.folder)))

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
        with self._looked_anew():
            pass

    def known_takes(self, key: str, *, with_parts: bool = False) -> list[Path]:
        """
        Return the takes of a request that are known, in their order.

        Looks at no file, and never blocks. One of them may be gone, or hold another
        request, and there may be others by now: whoever opens it finds that out, and
        :meth:`takes` tells the truth.

        Args:
            with_parts: Whether to add those that have no end.
        """
        return [
            Path(file.path)
            for file in self._index.takes(key)
            if with_parts or not file.is_part
        ]

    def takes(self, key: str) -> list[Path]:
        """
        Return the recorded answers to one request, in their order, maybe none.

        Looks at the folder anew, and makes sure that each holds a request of this
        key. Parts whose recorder was killed stand in where nothing else answers.
        Blocks for the disk.

        Raises:
            CassetteError: As for :meth:`refresh`.
        """
        with self._looked_anew():
            self._index.check(key)
            whole = self.known_takes(key)
            paths = whole or self.known_takes(key, with_parts=True)
        return whole or [path for path in paths if not is_locked(path)]

    @contextlib.contextmanager
    def _looked_anew(self) -> Iterator[None]:
        """
        Hold the lock, after a look at the folder that began after this call did.

        Whoever waited while others looked need not do so again.
        """
        wanted = self._looks_begun + 1
        with self._lock:
            if self._last_look < wanted:
                self._looks_begun += 1
                self._index.look()
                self._last_look = self._looks_begun
            yield

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
        return {
            Path(file.path): file.key
            for file in self._index.files()
            if file.key and not file.is_part
        }

    def infos(self) -> list[CassetteInfo]:
        """
        List what was known at the last look, parts included, without a look at the
        disk, sorted.
        """
        return self._index.infos()

    @property
    def is_empty(self) -> bool:
        """Whether there is no cassette at all, parts apart."""
        return not any(path.endswith(TAPE_SUFFIX) for _, path in walk(str(self.folder)))

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

    def new_writer(self, stem: str) -> CassetteWriter:
        """
        Return what writes a recording into the folder, for :meth:`commit`.

        Args:
            stem: Names it until it has a take's name, and then a first take.
        """
        return CassetteWriter(self.folder, stem, disk=self._disk)

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
        index: Knows the takes that there are, and gets those that come.
        disk: From which to remove those of earlier runs.
    """

    def __init__(self, index: Index, disk: Disk) -> None:
        self._index = index
        self._disk = disk
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
                    remove_take(self._disk, Path(file.path))
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
                path = Path(earlier[0].path)
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
            if Path(file.path).parent == folder and not file.is_part
        ]


def _is_unchanged(file: File) -> bool:
    """
    Whether a file is of an earlier run; what another recorder has changed is of this.
    """
    return file.is_earlier and file.signature == signature_of(file.path)
