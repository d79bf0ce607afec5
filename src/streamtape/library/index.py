"""
What this process knows of the files in a library, and how it finds out what changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from streamtape.core.model import Request
from streamtape.errors import CassetteError
from streamtape.library.entries import join, list_folder
from streamtape.library.files import File, Folder
from streamtape.library.keyed import KeyedFiles
from streamtape.library.keys import KeySource
from streamtape.library.opening import EXHAUSTED
from streamtape.library.stamps import WallClock, is_settled


class Index:
    """
    The files below a folder by their keys; to be used by one thread at a time.

    A stamp is always taken before what it stands for is read: a change in between
    is then seen at the next look.

    Args:
        wall_ns: None to rely on no stamp: all is read again at each look.
    """

    def __init__(self, top: Path, keys: KeySource, wall_ns: WallClock | None) -> None:
        self._wall_ns = wall_ns
        self._folders = {str(top): Folder(str(top), ())}
        self._known = KeyedFiles(keys)
        self._is_first_look = True

    def takes(self, key: str) -> list[File]:
        """
        Return what answers a request as far as is known, in order, parts included.
        """
        return self._known.takes(key)

    def files(self) -> Iterator[File]:
        """
        Give all that have a key, in no order.
        """
        return iter(self._known)

    def is_current(self, files: list[File]) -> bool:
        """
        Whether some files are what they were, with their folders, and surely so.

        Costs a few stats.
        """
        now_ns = self._now_ns()
        return all(
            file.is_settled and file.is_sure and file.read_stamp() == file.stamp
            for file in files
        ) and all(
            folder.is_settled
            and not folder.is_due(now_ns)
            and folder.read_stamp() == folder.stamp
            for folder in {file.folder for file in files}
        )

    def look_near(self, key: str) -> None:
        """
        Look again at the takes of a key, and at what else has come into their folders.

        Raises:
            CassetteError: No file can be opened now, whatever is in it.
        """
        now_ns = self._now_ns()
        for folder in {file.folder for file in self.takes(key)}:
            self._look_at_folder(folder, now_ns)
            if folder.is_due(now_ns):
                self._look_at_files(folder, now_ns)
        for file in self.takes(key):
            self._look_at(file, now_ns)

    def look_everywhere(self) -> None:
        """
        Look again at all folders and files, and read those that are new or changed.

        Raises:
            CassetteError: As for :meth:`look_near`.
        """
        now_ns = self._now_ns()
        self._look_at_folders(now_ns)
        for folder in self._folders.values():
            self._look_at_files(folder, now_ns)
        self._is_first_look = False

    def check(self, key: str, asked: Request | None) -> None:
        """
        Make sure of the keys of all takes of a key; what has another one leaves.

        Args:
            asked: A request of this key, if there is one at hand.

        Raises:
            CassetteError: As for :meth:`look_near`.
        """
        for file in self.takes(key):
            if not file.is_sure:
                self._known.check_key(file, alike=asked)

    def add(self, path: Path, key: str) -> None:
        """
        Take in a file that was just made or replaced, whose key is known.
        """
        now_ns = self._now_ns()
        parent = str(path.parent)
        if parent not in self._folders:
            # Where that fails, the next look finds the file.
            with contextlib.suppress(CassetteError):
                self._look_at_folders(now_ns)
        if (folder := self._folders.get(parent)) is not None:
            file = folder.files.setdefault(path.name, File(folder, path.name))
            file.stamp = file.read_stamp()
            file.is_settled = is_settled(file.stamp, now_ns)
            file.is_earlier = False
            self._known.set_key(file, key, is_sure=True)

    def begin_run(self) -> None:
        """
        Let all that is there at the next look everywhere be of an earlier run.
        """
        self._is_first_look = True
        for folder in self._folders.values():
            for file in folder.files.values():
                file.is_earlier = True

    def forget(self, file: File) -> None:
        """
        Leave out a file that is gone.
        """
        self._known.forget(file)

    def _now_ns(self) -> int:
        return 0 if self._wall_ns is None else self._wall_ns()

    def _look_at_folders(self, now_ns: int) -> None:
        looked_at: set[str] = set()
        while waiting := self._folders.keys() - looked_at:
            looked_at |= waiting
            for path in waiting:
                if (folder := self._folders.get(path)) is not None:
                    self._look_at_folder(folder, now_ns)

    def _look_at_folder(self, folder: Folder, now_ns: int) -> None:
        """
        List a folder if it has changed; its files are to be looked at then.
        """
        stamp = folder.read_stamp()
        if stamp == folder.stamp and folder.is_settled:
            return
        folder.looked_ns = None
        folder.stamp = stamp
        folder.is_settled = is_settled(stamp, now_ns)
        try:
            folders, names = list_folder(folder.path) if stamp else ([], [])
        except OSError as error:
            folder.is_settled = False
            if error.errno in EXHAUSTED:
                reason = f"can't be looked into: {error.strerror}"
                raise CassetteError(reason, path=Path(folder.path)) from error
            folders, names = [], []
        for name in folder.files.keys() - set(names):
            self._known.forget(folder.files[name])
        for name in names:
            if name not in folder.files:
                folder.files[name] = File(folder, name)
        for name in folders:
            path = join(folder.path, name)
            self._folders.setdefault(path, Folder(path, (*folder.names, name)))
        if not stamp and folder.names:
            self._forget_folder(folder)

    def _forget_folder(self, gone: Folder) -> None:
        # Those below it too: their paths may lead elsewhere now, through a link.
        depth = len(gone.names)
        for folder in list(self._folders.values()):
            if folder.names[:depth] == gone.names:
                del self._folders[folder.path]
                for file in list(folder.files.values()):
                    self._known.forget(file)

    def _look_at_files(self, folder: Folder, now_ns: int) -> None:
        for file in list(folder.files.values()):
            self._look_at(file, now_ns)
        folder.looked_ns = now_ns

    def _look_at(self, file: File, now_ns: int) -> None:
        stamp = file.read_stamp()
        if stamp == file.stamp and file.is_settled:
            return
        if stamp != file.stamp:
            file.stamp = stamp
            file.is_earlier = self._is_first_look
        file.is_settled = is_settled(stamp, now_ns)
        self._known.read_key(file)
