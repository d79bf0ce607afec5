"""
Cassettes that a test records: out of the way until the test has passed, and maybe in
place of those that were there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from streamtape.core.modes import RecordMode
from streamtape.library.atomic import move_to_free
from streamtape.library.disk import Disk, is_locked, lock_file
from streamtape.library.filenames import TAPE_SUFFIX
from streamtape.library.library import Library
from streamtape.library.reader import is_whole
from streamtape.pytest_plugin.outcomes import some
from streamtape.server.scopes import Scope, make_library
from streamtape.server.stats import LoggedInteraction

_SUFFIX: Final = ".recording"

_Mark: TypeAlias = tuple[int, int, int]
"""Number, time of the last change in ns, and size: the same for all links to a file."""

_WHYS: Final = {
    "failed": "the upstream gave no answer",
    "open": "its answer had no end when the test had one",
    "recorded": "its client left before the end, or it could not be written",
}
"""Why a request is no whole recording, by its outcome."""


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


class Replacement:
    """
    Whether what a test recorded may take the place of what was recorded before.

    A request lacks if it did not become a whole recording, and no later ones of the
    same key, its retries, made that good. If none lacks, the run shows all that the
    test needs, and old recordings may go. Else none may go for which there is no new
    one, for a run that got less than an earlier one says nothing about the test.

    Args:
        is_shared: Whether other tests use the folder too. There no recording goes but
            for a new one of the same request.
    """

    def __init__(self, scope: Scope, staging: Staging, *, is_shared: bool) -> None:
        self._scope = scope
        self._staging = staging
        self._is_shared = is_shared
        self._replaces = scope.policy.mode is RecordMode.ALL

    def publish(self) -> None:
        """
        Put what was recorded where it belongs; call it if nothing was found.

        Raises:
            OSError: As for :meth:`Staging.publish`.
        """
        self._staging.publish(drops_old=self._replaces and not self._is_shared)

    def findings(self) -> list[str]:
        """
        Say why the test fails although it has passed; nothing where all is well.

        Everything that was asked has to be settled.
        """
        staging = self._staging
        lacking = self._scope.tally.lacking
        replaces_all = self._replaces and not self._is_shared
        if not lacking and (staging.new or not staging.old or not replaces_all):
            return []
        old = self._takes(staging.folder, staging.old)
        new = self._takes(self._scope.library.folder, staging.new)
        lacking = {key for key in lacking if not self._is_made_good(key, old, new)}
        interactions = [
            interaction
            for interaction in self._scope.tally.log or ()
            if interaction.key in lacking and not _is_recorded(interaction)
        ]
        found = list(dict.fromkeys(map(_explain, interactions)))
        if kept := self._kept(lacking, old, new):
            if not found:
                found.append(
                    "the test asked nothing that was recorded; if it needs no "
                    f"cassettes any more, remove {staging.folder}"
                )
            return [*found, f"what was recorded before stays: {some(kept)}"]
        has_failed = any(
            interaction.outcome == "failed" for interaction in interactions
        )
        return found if has_failed else []

    def _is_made_good(self, key: str, old: _Takes, new: _Takes) -> bool:
        needed = 1 if self._is_shared else max(1, old.whole[key])
        return new.whole[key] >= needed

    def _kept(self, lacking: set[str], old: _Takes, new: _Takes) -> list[str]:
        """Return the names of old recordings that would go for nothing, sorted."""
        if not self._replaces:
            return []
        if self._is_shared:
            paths = [path for path, key in old.keys.items() if key in lacking]
        else:
            is_less = (lacking or not new.keys) and (
                old.all - new.all or old.whole - new.whole or old.has_unknown
            )
            # All of them: the folder is replaced as one, or not at all.
            paths = list(old.keys) if is_less else []
        folder = self._staging.folder
        return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]

    def _takes(self, folder: Path, paths: Iterable[Path]) -> _Takes:
        library = make_library(folder, self._scope.policy)
        library.refresh()
        return _Takes(library, paths)


class _Takes:
    """Some cassettes of a library by their keys, and how many there are of each."""

    def __init__(self, library: Library, paths: Iterable[Path]) -> None:
        known = library.keys()
        self.keys = {path: known.get(path, "") for path in paths}
        self.all = Counter(key for key in self.keys.values() if key)
        self.whole = Counter(
            key for path, key in self.keys.items() if key and is_whole(path)
        )
        self.has_unknown = "" in self.keys.values()
        """Whether some can't be read, so that nobody can tell what they answer."""


def _explain(interaction: LoggedInteraction) -> str:
    request = interaction.request
    why = _WHYS.get(interaction.outcome, _WHYS["open"])
    return f"{request.method} {request.path} was not recorded whole: {why}"


def _is_recorded(interaction: LoggedInteraction) -> bool:
    return interaction.path is not None and is_whole(interaction.path)


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
