"""
Cassettes that a test records: out of the way until the test has passed.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from pathlib import Path
from typing import Final

from streamtape.errors import UsageError

_TAPE: Final = ".tape"
_OURS: Final = frozenset({_TAPE, ".part"})
"""Endings of files that a recording may take away."""


class Staging:
    """
    A hidden folder beside that of the test, which takes its place at the end.

    A run that is broken off leaves the folder as it was.

    Args:
        folder: Where the cassettes are to lie in the end.
        keeps_old: Whether what is in the folder can be replayed and stays: all modes
            but ``all``, and folders that a test shares with others.
        is_shared: Whether others use the folder too; then only what has changed is
            put into it.
    """

    def __init__(self, folder: Path, *, keeps_old: bool, is_shared: bool) -> None:
        self._folder = folder
        self._is_shared = is_shared
        _clear_leftovers(folder)
        self.path = folder.with_name(f".{folder.name}.{os.getpid()}.recording")
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        if keeps_old or is_shared:
            for name in _inodes(folder):
                _link(folder / name, self.path / name)
        self._before = _inodes(self.path)

    @property
    def has_new(self) -> bool:
        """
        Whether something was recorded.
        """
        return bool(_inodes(self.path).items() - self._before.items())

    def publish(self) -> None:
        """
        Put what was recorded where it belongs.
        """
        for part in self.path.rglob("*.part"):
            part.unlink()
        if self._is_shared:
            self._publish_changes()
        else:
            self._swap()

    def discard(self) -> None:
        """
        Forget what was recorded; does nothing once it was published or moved.
        """
        shutil.rmtree(self.path, ignore_errors=True)

    def move(self, target: Path) -> None:
        """
        Move what was recorded to where it doesn't count, for a person to look at.
        """
        for name, inode in _inodes(self.path).items():
            if self._before.get(name) == inode:
                (self.path / name).unlink()
        shutil.move(self.path, target)

    def _publish_changes(self) -> None:
        now = _inodes(self.path)
        for name in sorted(now):
            if now[name] != self._before.get(name):
                _move(self.path / name, self._folder / name)
        for name in self._before.keys() - now.keys():
            (self._folder / name).unlink(missing_ok=True)
        self.discard()

    def _swap(self) -> None:
        old = self.path.with_suffix(".old")
        with contextlib.suppress(FileNotFoundError):
            self._folder.rename(old)
        if _inodes(self.path):
            self.path.rename(self._folder)
        for path in sorted(old.rglob("*")):
            if path.is_file() and path.suffix not in _OURS:
                _move(path, self._folder / path.relative_to(old))
        self.discard()
        shutil.rmtree(old, ignore_errors=True)


def begin_staging(folder: Path, *, keeps_old: bool, is_shared: bool) -> Staging:
    """
    Make the folder for what a test records; the arguments are those of Staging.

    Raises:
        UsageError: The test's folder can't be written to.
    """
    try:
        return Staging(folder, keeps_old=keeps_old, is_shared=is_shared)
    except OSError as error:
        message = f"{folder}: can't be written to: {error.strerror}"
        raise UsageError(message) from error


def _clear_leftovers(folder: Path) -> None:
    """
    Take away what processes left that were killed; bring back what they took away.
    """
    prefix = f".{folder.name}."
    for left in folder.parent.glob(f"{glob.escape(prefix)}*"):
        pid, _, kind = left.name.removeprefix(prefix).partition(".")
        if kind not in ("recording", "old") or not pid.isdecimal():
            continue
        if _may_run(int(pid)):
            continue
        if kind == "old" and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _may_run(pid: int) -> bool:
    if os.name == "nt":
        # There the question would end the process.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _inodes(folder: Path) -> dict[str, int]:
    """
    Return the inodes of all cassettes in a folder, by their paths from there on.
    """
    return {
        tape.relative_to(folder).as_posix(): tape.stat().st_ino
        for tape in folder.rglob(f"*{_TAPE}")
    }


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        # Some file systems have no hard links.
        shutil.copy2(source, target)
