"""Cassettes that a test records: out of the way until the test has passed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, TypeAlias

from streamtape.errors import UsageError
from streamtape.library.atomic import move_to_free
from streamtape.library.disk import Disk, is_locked, lock_file
from streamtape.library.filenames import TAPE_SUFFIX

_SUFFIX: Final = ".recording"

_Mark: TypeAlias = tuple[int, int, int]
"""Number, time of the last change in ns, and size: the same for all links to a file."""


class Staging:
    """
    A hidden folder beside that of the test, whose files go there at the end.

    Until then the test's folder is as it was, and whenever a process is killed it
    holds every old cassette or a whole new one in its place.

    Args:
        folder: Where the cassettes are to lie in the end.
        keeps_old: Whether what is in the folder is seen while the test runs: in all
            modes but ``all``, and in folders that a test shares with others.
        disk: Where to write; None for the usual one.
    """

    def __init__(
        self, folder: Path, *, keeps_old: bool, disk: Disk | None = None
    ) -> None:
        self.folder = folder
        self._disk = disk or Disk()
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Not our PID: in a container each run has that of the one that was killed.
        made = tempfile.mkdtemp(
            prefix=_prefix(folder), suffix=_SUFFIX, dir=folder.parent
        )
        self.path = Path(made)
        self._lock = -1
        with contextlib.suppress(OSError):
            # Windows opens no folders, and has no locks either.
            self._lock = os.open(self.path, os.O_RDONLY)
            lock_file(self._lock)
        self._old = _marks(folder)
        if keeps_old:
            for name in self._old:
                _link(folder / name, self.path / name)
        self._before = _marks(self.path)

    @property
    def new(self) -> list[Path]:
        """What was recorded, sorted."""
        now = _marks(self.path)
        return [
            self.path / name
            for name in sorted(now)
            if now[name] != self._before.get(name)
        ]

    @property
    def old(self) -> list[Path]:
        """The cassettes that were in the folder when the test began, sorted."""
        return [self.folder / name for name in sorted(self._old)]

    def publish(self, *, drops_old: bool) -> None:
        """
        Put what was recorded where it belongs.

        What others have put or changed there meanwhile stays as they left it.

        Args:
            drops_old: Whether to remove, once that is done, what the folder held when
                the test began.

        Raises:
            OSError: The file system refused something; the rest is still in the
                hidden folder.
        """
        new = self.new
        if not new:
            return
        placed = {self._place(path) for path in new}
        if drops_old:
            for path in self.old:
                if path not in placed and self._is_old(path):
                    self._disk.remove(path)
                    _remove_empty(path.parent, self.folder)
        _clear_leftovers(self.folder)

    def discard(self) -> None:
        """Forget what was recorded; does nothing once it was published or moved."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def move(self, target: Path) -> None:
        """Move what was recorded to where it doesn't count, for a person to look at."""
        now = _marks(self.path)
        for name, mark in self._before.items():
            if now.get(name) == mark:
                (self.path / name).unlink()
        shutil.move(self.path, target)

    def _place(self, path: Path) -> Path:
        target = self.folder / path.relative_to(self.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._is_old(target):
            self._disk.rename(path, target)
            return target
        return move_to_free(self._disk, path, target)

    def _is_old(self, path: Path) -> bool:
        """Whether a file of the folder is what it was when the test began."""
        old = self._old.get(path.relative_to(self.folder).as_posix())
        return old is not None and old == _mark(path)


def begin_staging(folder: Path, *, keeps_old: bool) -> Staging:
    """
    Make the folder for what a test records; the arguments are those of Staging.

    Raises:
        UsageError: The test's folder can't be written to.
    """
    try:
        return Staging(folder, keeps_old=keeps_old)
    except OSError as error:
        message = f"{folder}: can't be written to: {error.strerror}"
        raise UsageError(message) from error


def _clear_leftovers(folder: Path) -> None:
    """Take away what killed runs left of a test that is now recorded whole."""
    if os.name == "nt":
        # There is no lock that tells of a process that runs.
        return
    prefix = _prefix(folder)
    for left in folder.parent.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(_SUFFIX):
            middle = left.name.removeprefix(prefix).removesuffix(_SUFFIX)
            # A dot would be of the name of another test.
            if "." not in middle and not is_locked(left):
                shutil.rmtree(left, ignore_errors=True)


def _prefix(folder: Path) -> str:
    return f".{folder.name}."


def _marks(folder: Path) -> dict[str, _Mark]:
    """Return the marks of all cassettes in a folder, by their paths from there on."""
    return {
        tape.relative_to(folder).as_posix(): mark
        for tape in folder.rglob(f"*{TAPE_SUFFIX}")
        if (mark := _mark(tape)) is not None
    }


def _mark(path: Path) -> _Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder within another if nothing is in it any more."""
    if folder != top:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        # Some file systems have no hard links.
        shutil.copy2(source, target)
