"""
The moment in which a recording gets its name, and nothing is lost to another.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from streamtape.library.entries import TAPE_SUFFIX, stem_and_take

log = logging.getLogger(__name__)


def give_next_name(part: Path, stem: str, last: str | None) -> Path:
    """
    Rename a part to the next take of its request, over no other file.

    Args:
        stem: Names a first take.
        last: Name of the file that is the last take in the part's folder, whatever
            it is called, or None if there is none.

    Raises:
        OSError: The file system refused it.
    """
    take = 1
    if last is not None:
        stem, last_take = stem_and_take(last)
        take = last_take + 1
    while True:
        suffix = "" if take == 1 else f"-{take}"
        path = part.with_name(f"{stem}{suffix}{TAPE_SUFFIX}")
        take += 1
        try:
            _rename_without_clobbering(part, path)
        except FileExistsError:
            continue
        return path


def take_places(part: Path, paths: Sequence[Path]) -> Path:
    """
    Give a part the name of the first of some files, and remove the others.

    Raises:
        OSError: The file system refused it.
    """
    part.replace(paths[0])
    for path in paths[1:]:
        path.unlink(missing_ok=True)
    return paths[0]


def sync_folder(folder: Path) -> None:
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
