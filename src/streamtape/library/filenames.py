"""The names in a library: which files are cassettes, and what their names say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamtape.library.writer import PART_SUFFIX

TAPE_SUFFIX: Final = ".tape"

_CASSETTE = re.compile(r".+\.(?:tape|part)", re.DOTALL)
_TAKE = re.compile(r"(?P<stem>.*-[0-9a-f]{8})-(?P<take>\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file of the library; entries sort by folder, then stem, then take."""

    folder: Path
    stem: str
    take: int
    path: Path

    @property
    def is_part(self) -> bool:
        """Whether its recording has not ended, or never will."""
        return self.path.suffix == PART_SUFFIX


def entry_of(path: Path) -> Entry:
    """Return what the name of a file says."""
    return Entry(path.parent, *stem_and_take(path.name), path)


def stem_and_take(name: str) -> tuple[str, int]:
    """
    Split a file's name; one that no recorder gave is its own stem, and a first take.
    """
    if name.endswith(PART_SUFFIX):
        stem = name.partition(".")[0]
    else:
        stem = name.removesuffix(TAPE_SUFFIX)
    match = _TAKE.fullmatch(stem)
    return (stem, 1) if match is None else (match["stem"], int(match["take"]))


def list_folder(path: str) -> tuple[list[str], list[str]]:
    """
    Return the names of the folders in a folder, and those of its cassettes and parts.

    Hidden folders are in neither, and links to folders only by a cassette's name.

    Raises:
        OSError: It can't be read.
    """
    folders, files = [], []
    with os.scandir(path) as listing:
        for found in listing:
            # Where a link leads isn't asked: one that leads to itself is an error.
            if found.is_dir(follow_symlinks=False):
                if not found.name.startswith("."):
                    folders.append(found.name)
            elif _CASSETTE.fullmatch(found.name):
                files.append(found.name)
    return folders, files


def join(folder: str, name: str) -> str:
    """
    Return the path of a name in a folder; a text, as it is needed ten thousandfold.
    """
    return f"{folder}{os.sep}{name}"


def walk(top: str) -> Iterator[str]:
    """Yield the paths of all cassettes and parts below a folder, in no order."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            folders, files = list_folder(folder)
        except OSError:
            # What can't be looked into has nothing to replay.
            continue
        waiting += [join(folder, name) for name in folders]
        for name in files:
            yield join(folder, name)
