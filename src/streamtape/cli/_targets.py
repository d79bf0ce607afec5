"""
The files that a command works on, of those that a person named.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from streamtape.cli._files import find_files
from streamtape.errors import CassetteNotFoundError, UsageError


def find_targets(paths: Sequence[Path], cassettes: Path) -> list[Path]:
    """
    Return the files that are named, those in the folders that are named, or all of
    the library if nothing is.

    Raises:
        UsageError: Something of it does not exist, or can't be looked into: nothing
            would be done, and taken for well done.
    """
    if not paths and not cassettes.is_dir():
        message = f"{cassettes}: there is no such folder; name one, or use --cassettes"
        raise UsageError(message)
    try:
        found = [path for path, _ in find_files(paths, cassettes)]
    except CassetteNotFoundError as error:
        raise UsageError(str(error)) from error
    for folder in filter(Path.is_dir, paths or (cassettes,)):
        _look_into(folder)
    return list(dict.fromkeys(found))


def _look_into(folder: Path) -> None:
    """
    Refuse a folder if it, or one in it that may have cassettes, can't be read.
    """

    def refuse(error: OSError) -> NoReturn:
        message = f"{error.filename}: can't be read: {error.strerror}"
        raise UsageError(message) from error

    for _, inner, _ in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
