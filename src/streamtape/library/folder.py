"""
A folder of cassettes: what is in it, by key, and how a new one gets its name.

There is no index file; the files are the truth. What this process knows of them is
a cache that :meth:`Library.refresh` brings up to date.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamtape.core.matching import request_key
from streamtape.core.model import Request
from streamtape.errors import CassetteError
from streamtape.library.cache import Stamp, stamp_of
from streamtape.library.locks import is_locked
from streamtape.library.reader import CassetteReader, read_end
from streamtape.library.writer import PART_SUFFIX, CassetteWriter

log = logging.getLogger(__name__)

TAPE_SUFFIX: Final = ".tape"

_TAKE = re.compile(r"(?P<stem>.*-[0-9a-f]{8})-(?P<take>\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """
    A file of the library; entries sort by folder, then stem, then take.
    """

    folder: Path
    stem: str
    take: int
    path: Path

    @property
    def is_part(self) -> bool:
        """
        Whether its recording has not ended, or never will.
        """
        return self.path.suffix == PART_SUFFIX


class Library:
    """
    The cassettes of one folder and its sub-folders. Safe to use from several threads.

    Args:
        folder: Need not exist; it is made when the first cassette is recorded.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._lock = threading.RLock()
        self._folders: dict[Path, Stamp] = {self.folder: (-1,)}
        """
        What tells that a file was added to a folder or taken from it.

        Before the first refresh it is what no folder's stamp ever is.
        """
        self._stamps: dict[Entry, Stamp] = {}
        self._keys: dict[Entry, str] = {}
        self._takes: dict[str, list[Entry]] = {}
        self._recorded_keys: set[str] = set()

    def entries(self) -> list[Entry]:
        """
        List all cassettes and parts that there are now, sorted.
        """
        return sorted(
            _entry(path)
            for folder, names in _walk(self.folder)
            for path in map(folder.joinpath, names)
            if path.suffix in (TAPE_SUFFIX, PART_SUFFIX)
        )

    def name_of(self, path: Path) -> str:
        """
        The path within the library without the ending: what people call it.
        """
        relative = path.relative_to(self.folder) if path != self.folder else path
        return relative.as_posix().removesuffix(TAPE_SUFFIX)

    def refresh(self) -> None:
        """
        Look at the folder again and read what is new or changed.

        A file that is no cassette is left out, with a warning in the log.
        """
        with self._lock:
            # Folders before files: what is added from here on is seen the next time.
            folders = [self.folder, *(folder for folder, _ in _walk(self.folder))]
            self._folders = {folder: stamp_of(folder) for folder in folders}
            stamps = {entry: stamp_of(entry.path) for entry in self.entries()}
            for entry in self._keys.keys() - stamps.keys():
                del self._keys[entry]
            for entry, stamp in stamps.items():
                if self._stamps.get(entry) != stamp:
                    self._keys.pop(entry, None)
                    self._read_key(entry)
            self._stamps = stamps
            self._index()

    def takes(self, key: str) -> list[Path]:
        """
        Return the recorded answers to one request, in their order, maybe none.

        Parts whose recorder was killed stand in where nothing else answers.
        """
        with self._lock:
            entries = self._takes.get(key, [])
            is_sure = any(not entry.is_part for entry in entries)
            is_there = all(entry.path.exists() for entry in entries)
            if not (is_sure and is_there) and self._has_changed():
                self.refresh()
                entries = self._takes.get(key, [])
            whole = [entry.path for entry in entries if not entry.is_part]
            return whole or [
                entry.path for entry in entries if not is_locked(entry.path)
            ]

    def knows(self, key: str) -> bool:
        """
        Whether :meth:`takes` has a cassette for it without looking at the folder.
        """
        with self._lock:
            return any(not entry.is_part for entry in self._takes.get(key, []))

    def has_complete(self, key: str) -> bool:
        """
        Whether some take of a request is a complete answer.
        """
        for path in self.takes(key):
            with contextlib.suppress(CassetteError):
                end = read_end(path)
                if end is not None and end.ending.is_complete:
                    return True
        return False

    def requests(self) -> Iterator[tuple[str, Request]]:
        """
        Yield the name and the request of every cassette that can be read.
        """
        with self._lock:
            entries = sorted(self._keys)
        for entry in entries:
            try:
                with CassetteReader(entry.path) as reader:
                    yield self.name_of(entry.path), reader.request
            except CassetteError:
                continue

    @property
    def is_empty(self) -> bool:
        """
        Whether there is no cassette at all, parts apart.
        """
        return all(entry.is_part for entry in self.entries())

    def commit(self, writer: CassetteWriter, key: str, *, replace: bool) -> Path | None:
        """
        Give a whole recording its name and return its path, or None if the disk failed.

        Blocks for the disk. Without `replace`, and for every further recording of
        a key, it becomes the next take; no file is ever overwritten.

        Args:
            replace: Let the first recording of a key by this object take the place
                of all takes that were known before.
        """
        # Others may look up takes in the meantime: the lock waits for no disk.
        writer.sync()
        writer.close()
        part = writer.path
        if writer.failure is not None or part is None:
            return None
        with self._lock:
            earlier: list[Entry] = []
            if replace and key not in self._recorded_keys:
                earlier = [
                    entry
                    for entry in self._takes.get(key, [])
                    if entry.folder == writer.folder
                    and not entry.is_part
                    # Another recorder has changed it since: it is of this run.
                    and self._stamps.get(entry) == stamp_of(entry.path)
                ]
            try:
                path = self._give_name(writer, part, key, earlier)
            except OSError as error:
                log.error("%s: can't be given its name: %s", part, error.strerror)
                return None
            writer.path = None
            self._recorded_keys.add(key)
            self._add(_entry(path), key, instead_of=earlier)
        _sync_folder(writer.folder)
        return path

    def _give_name(
        self, writer: CassetteWriter, part: Path, key: str, earlier: list[Entry]
    ) -> Path:
        if earlier:
            part.replace(earlier[0].path)
            for entry in earlier[1:]:
                entry.path.unlink(missing_ok=True)
            return earlier[0].path
        stem, take = writer.stem, 1
        for entry in self._takes.get(key, []):
            if entry.folder == writer.folder and not entry.is_part:
                # Behind the last one, whatever it is called now.
                stem, take = entry.stem, entry.take + 1
        while True:
            suffix = "" if take == 1 else f"-{take}"
            path = writer.folder / f"{stem}{suffix}{TAPE_SUFFIX}"
            take += 1
            try:
                _rename_without_clobbering(part, path)
            except FileExistsError:
                continue
            return path

    def _add(self, entry: Entry, key: str, *, instead_of: list[Entry]) -> None:
        """
        Put a new cassette into the cache, so that its folder need not be read again.
        """
        for gone in instead_of:
            self._keys.pop(gone, None)
            self._stamps.pop(gone, None)
        self._keys[entry] = key
        self._stamps[entry] = stamp_of(entry.path)
        kept = set(self._takes.get(key, [])) - set(instead_of) | {entry}
        self._takes[key] = sorted(kept)

    def _read_key(self, entry: Entry) -> None:
        try:
            with CassetteReader(entry.path) as reader:
                self._keys[entry] = request_key(reader.request)
        except CassetteError as error:
            if not entry.is_part:
                log.warning("left out: %s", error)

    def _has_changed(self) -> bool:
        folders = self._folders
        return any(stamp_of(folder) != stamp for folder, stamp in folders.items())

    def _index(self) -> None:
        self._takes = {}
        for entry in sorted(self._keys):
            self._takes.setdefault(self._keys[entry], []).append(entry)


def _walk(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """
    Yield the folders, but for hidden ones, with their files; links are not followed.
    """
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield Path(folder), names


def _entry(path: Path) -> Entry:
    stem = path.stem.partition(".")[0] if path.suffix == PART_SUFFIX else path.stem
    match = _TAKE.fullmatch(stem)
    if match is None:
        return Entry(path.parent, stem, 1, path)
    return Entry(path.parent, match["stem"], int(match["take"]), path)


def _rename_without_clobbering(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no hard links. An exclusive create holds the name.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            source.replace(target)
        except OSError:
            target.unlink()
            raise
    else:
        source.unlink()


def _sync_folder(folder: Path) -> None:
    """
    Make the name survive a power loss; Windows can't, and doesn't need it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        log.debug("%s: %s", folder, error.strerror)
    finally:
        os.close(descriptor)
