"""The names in a library: which files are cassettes, and what their names say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamtape.errors import CassetteError
from streamtape.library.reader import EXHAUSTED
from streamtape.library.writer import PART_SUFFIX

TAPE_SUFFIX: Final = ".tape"

_SUFFIXES: Final = (TAPE_SUFFIX, PART_SUFFIX)

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


def walk(top: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """
    Yield all cassettes and parts below a folder, in no order: the names of the folders
    that lead to each, and its path.

    Hidden folders and links to folders are not looked into.

    Raises:
        CassetteError: No folder can be opened now, whatever is in it.
    """
    waiting: list[tuple[tuple[str, ...], str]] = [((), top)]
    while waiting:
        folders, path = waiting.pop()
        try:
            with os.scandir(path) as listing:
                entries = list(listing)
        except OSError as error:
            if error.errno in EXHAUSTED:
                reason = f"can't be looked into: {error.strerror}"
                raise CassetteError(reason, path=Path(path)) from error
            # What can't be looked into has nothing to replay.
            continue
        for entry in entries:
            # Where a link leads isn't asked: one that leads to itself is an error.
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    waiting.append(((*folders, entry.name), entry.path))
            elif entry.name.endswith(_SUFFIXES) and entry.name not in _SUFFIXES:
                yield folders, entry.path
