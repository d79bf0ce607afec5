"""Which files a person means, and those that a command then works on."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

import click

from streamtape.errors import CassetteNotFoundError, UsageError
from streamtape.library.filenames import TAPE_SUFFIX
from streamtape.library.library import Library


class NamedPath(click.Path):
    """A path that is not empty: one made of an unset variable would be this folder."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Refuse what names nothing."""
        if not os.fspath(value):
            self.fail("expected a name, got nothing", param, ctx)
        return super().convert(value, param, ctx)


NAMED_PATH: Final = NamedPath(path_type=Path)


def find_files(paths: Sequence[Path], cassettes: Path) -> Iterator[tuple[Path, str]]:
    """
    Yield the files to list, each with a name by which `show` finds it.

    Raises:
        CassetteNotFoundError: One of the paths does not exist.
    """
    for path in paths:
        if not (path.exists() or path.is_symlink()):
            raise CassetteNotFoundError("there is no such file or folder", path=path)
    if not paths:
        library = Library(cassettes)
        for entry in library.entries():
            yield entry.path, library.name_of(entry.path)
    for path in paths:
        found = (
            [entry.path for entry in Library(path).entries()]
            if path.is_dir()
            else [path]
        )
        for file in found:
            yield file, file.as_posix().removesuffix(TAPE_SUFFIX)


def find_cassette(name: str, folder: Path) -> Path:
    """
    Return the file that a person means.

    Args:
        name: A path, or a name in the library; the file's ending may be left out.
        folder: The library.

    Raises:
        CassetteNotFoundError: There is none; says which name comes nearest.
    """
    for path in (Path(name), folder / name):
        for candidate in (path, Path(f"{path}{TAPE_SUFFIX}")):
            if candidate.is_file():
                return candidate
    library = Library(folder)
    names = [library.name_of(entry.path) for entry in library.entries()]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "streamtape ls lists what there is"
    raise CassetteNotFoundError(f"there is no such cassette; {hint}", path=Path(name))


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
    """Refuse a folder if it, or one in it that may have cassettes, can't be read."""

    def refuse(error: OSError) -> NoReturn:
        message = f"{error.filename}: can't be read: {error.strerror}"
        raise UsageError(message) from error

    for _, inner, _ in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
