"""
The moment in which a recording gets its name, and nothing is lost to another.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from pathlib import Path
from typing import Final

from streamtape.library.disk import Disk
from streamtape.library.entries import TAPE_SUFFIX, stem_and_take

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
    """
    Remove a take; where that fails, say so.
    """
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
        # and whoever is killed behind it leaves an empty file, which nobody plays.
        disk.hold(path)
        try:
            disk.rename(part, path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                # A signal may come behind the call, and then it is no empty file.
                if isinstance(error, OSError) or part.exists():
                    disk.remove(path)
            raise
    else:
        _remove(disk, part, f"it is the same file as {path.name}")


def sync_folder(disk: Disk, path: Path) -> None:
    """
    Make the name of a cassette survive a power loss, where the system can.
    """
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
