"""
A new file gets its name when it is whole, and nothing is lost to another.

For recordings, which get the next free name, and for files that are made of others:
written beside them, and put in their place at the end.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamtape.errors import CassetteError
from streamtape.library.disk import Disk
from streamtape.library.filenames import TAPE_SUFFIX, stem_and_take

log = logging.getLogger(__name__)

_CANT_SYNC: Final = frozenset({errno.EINVAL, errno.EACCES, errno.EISDIR, errno.ENOTSUP})
"""What systems say that sync no folders, and those that need not: Windows is one."""


def give_next_name(disk: Disk, part: Path, stem: str, last: str | None) -> Path:
    """
    Rename a part to the next take of its request, over no other file.

    Args:
        stem: Names a first take.
        last: Name of the file that is the last take in the part's folder, whatever
            it is called, or None if there is none.

    Raises:
        OSError: The file system refused it.
    """
    if last is not None:
        last_stem, last_take = stem_and_take(last)
        try:
            return _give_free_name(disk, part, part.with_name(last_stem), last_take + 1)
        except OSError as error:
            # Somebody gave the last take a name to which no number can be added.
            if error.errno != errno.ENAMETOOLONG:
                raise
    return _give_free_name(disk, part, part.with_name(stem), 1)


def move_to_free(disk: Disk, part: Path, path: Path) -> Path:
    """
    Give a cassette the name of a path, or where another has it, that of a next take.

    Raises:
        OSError: The file system refused it.
    """
    try:
        rename_to_free(disk, part, path)
    except FileExistsError:
        stem, take = stem_and_take(path.name)
        return _give_free_name(disk, part, path.with_name(stem), take + 1)
    return path


def remove_take(disk: Disk, path: Path) -> None:
    """Remove a take; where that fails, say so."""
    _remove(disk, path, "it stays as a further take")


def rename_to_free(disk: Disk, part: Path, path: Path) -> None:
    """
    Give a file a name that no other has.

    Raises:
        FileExistsError: Another has it.
        OSError: The file system refused it.
    """
    try:
        disk.link(part, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        # Some file systems have no hard links. An exclusive create holds the name,
        # and whoever is killed after it leaves an empty file, which nobody plays.
        disk.hold(path)
        try:
            disk.rename(part, path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                # A signal may come after the call, and then it is no empty file.
                if isinstance(error, OSError) or part.exists():
                    disk.remove(path)
            raise
    else:
        _remove(disk, part, f"it is the same file as {path.name}")


def sync_folder(disk: Disk, path: Path) -> None:
    """Make the name of a cassette survive a power loss, where the system can."""
    try:
        disk.sync_folder(path.parent)
    except OSError as error:
        if error.errno not in _CANT_SYNC:
            log.error(
                "%s: %s; it is whole, but its name may not survive a power loss",
                path,
                error.strerror or error,
            )


def _give_free_name(disk: Disk, part: Path, stem: Path, take: int) -> Path:
    while True:
        suffix = "" if take == 1 else f"-{take}"
        path = stem.with_name(f"{stem.name}{suffix}{TAPE_SUFFIX}")
        take += 1
        try:
            rename_to_free(disk, part, path)
        except FileExistsError:
            continue
        return path


def _remove(disk: Disk, path: Path, rest: str) -> None:
    try:
        disk.remove(path)
    except OSError as error:
        log.error("%s: can't be removed: %s; %s", path, error.strerror or error, rest)


_HELD_BYTES: Final = 1024 * 1024


class NewFile:
    """
    A file that gets its name when it is whole, and is gone if it doesn't.

    Use it in a ``with`` block, which makes it. It waits beside its place under a name
    that no library looks at.

    Args:
        place: Where it is to be.
        disk: Where to write; None for the usual one.

    Raises:
        CassetteError: On entering: it can't be made; as for all calls, the disk has
            the last word.
    """

    def __init__(self, place: Path, *, disk: Disk | None = None) -> None:
        self.place = place
        # Not our PID: in a container each run has that of the one that was killed.
        self.path = place.with_name(f".streamtape-{os.urandom(6).hex()}.new")
        self._disk = disk or Disk()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._descriptor = -1
        self._is_placed = False

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _HELD_BYTES:
            self._flush()

    def finish(self, *, mode: int | None = None) -> None:
        """
        Wait until all is on the disk, so that it can be read again.

        Args:
            mode: Permissions; None for those of a recording.
        """
        self._flush()
        with _as_ours(self.place):
            if mode is not None:
                self.path.chmod(mode)
            self._disk.sync(self._descriptor)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def replace(self) -> None:
        """Take the place of the file that is there."""
        with _as_ours(self.place):
            self._disk.rename(self.path, self.place)
        self._is_placed = True
        sync_folder(self._disk, self.place)

    def place_new(self) -> None:
        """
        Take the place, in which nothing may be.

        Raises:
            CassetteError: Something is there.
        """
        with _as_ours(self.place):
            rename_to_free(self._disk, self.path, self.place)
        self._is_placed = True
        sync_folder(self._disk, self.place)

    def __enter__(self) -> Self:
        try:
            with _as_ours(self.place):
                self._descriptor = self._disk.create(self.path)
        except BaseException:
            # A signal may come after the call that made it.
            self._remove()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_placed:
            self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._disk.remove(self.path)

    def _flush(self) -> None:
        data = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        with _as_ours(self.place):
            self._disk.write_all(self._descriptor, data)


@contextlib.contextmanager
def _as_ours(path: Path) -> Iterator[None]:
    """Name the file in what the system says of it, as an error of ours."""
    try:
        yield
    except FileExistsError as error:
        reason = "there is such a file already, and it was left alone"
        raise CassetteError(reason, path=path) from error
    except OSError as error:
        reason = f"can't be written: {error.strerror or error}"
        raise CassetteError(reason, path=path) from error
