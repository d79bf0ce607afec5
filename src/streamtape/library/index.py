"""
What this process knows of the files in a library, and how it finds out what changed.

A file's key is read off its first bytes, or computed from its request.
"""

from __future__ import annotations

import contextlib
import logging
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streamtape.core.matching.key import KEY_VERSION
from streamtape.core.model import Request
from streamtape.errors import CassetteError, CassetteNotFoundError, UsageError
from streamtape.library.disk import is_locked
from streamtape.library.filenames import join, list_folder
from streamtape.library.files import File, Folder, WallClock, is_settled
from streamtape.library.reader import EXHAUSTED, read_header, read_request

log = logging.getLogger(__name__)


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
        """Give all that have a key, in no order."""
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
        """Take in a file that was just made or replaced, whose key is known."""
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
        """Let all that is there at the next look everywhere be of an earlier run."""
        self._is_first_look = True
        for folder in self._folders.values():
            for file in folder.files.values():
                file.is_earlier = True

    def forget(self, file: File) -> None:
        """Leave out a file that is gone."""
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
        """List a folder if it has changed; its files are to be looked at then."""
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


class KeyedFiles:
    """Those that have a key, each key's in the order of its takes."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._takes: dict[str, list[File]] = {}

    def __iter__(self) -> Iterator[File]:
        for files in self._takes.values():
            yield from files

    def takes(self, key: str) -> list[File]:
        """Return the files of a key, maybe none."""
        return list(self._takes.get(key, ()))

    def set_key(self, file: File, key: str | None, *, is_sure: bool = False) -> None:
        """
        Give a file another key, or none.

        Args:
            is_sure: Whether it is known to be that of the request in the file.
        """
        file.is_sure = is_sure
        if file.key == key:
            return
        if file.key is not None:
            takes = self._takes[file.key]
            takes.remove(file)
            if not takes:
                del self._takes[file.key]
        file.key = key
        if key is not None:
            file.fault = None
            insort(self._takes.setdefault(key, []), file, key=lambda each: each.order)

    def read_key(self, file: File) -> None:
        """
        Give a file that is new or changed the key it says it has, or its request's.

        Raises:
            CassetteError: No file can be opened now, whatever is in it.
        """
        path = file.path
        # Whatever goes wrong below, what it was before answers nobody any more.
        self.set_key(file, None)
        if file.is_part and is_locked(path):
            # It answers nobody yet, and grows: reading it now would be for nothing.
            file.is_settled = False
            return
        try:
            # The head of a part may be all that there is of it.
            stored = None if file.is_part else self._keys.find_stored(path)
            if stored is not None:
                self.set_key(file, stored)
            else:
                computed = self._keys.compute(path, alike=None, key=None)
                self.set_key(file, computed, is_sure=True)
        except CassetteError as error:
            self._leave_out(file, error)

    def check_key(self, file: File, *, alike: Request | None) -> None:
        """
        Give a file the key of the request that it holds, whatever it says.

        Args:
            alike: A request of the key that the file has, if there is one at hand.

        Raises:
            CassetteError: As for :meth:`read_key`.
        """
        try:
            found = self._keys.compute(file.path, alike=alike, key=file.key)
        except CassetteError as error:
            self._leave_out(file, error)
        else:
            self.set_key(file, found, is_sure=True)

    def forget(self, file: File) -> None:
        """Leave out a file that is gone."""
        self.set_key(file, None)
        file.folder.files.pop(file.name, None)

    def _leave_out(self, file: File, error: CassetteError) -> None:
        if isinstance(error, CassetteNotFoundError):
            self.forget(file)
            return
        self.set_key(file, None)
        if isinstance(error.__cause__, OSError):
            # The next look may do better, and the stamp won't tell.
            file.is_settled = False
            if error.__cause__.errno in EXHAUSTED:
                raise error
        if not file.is_part and file.fault != str(error):
            # A file's name may hold bytes that are no text, which not every log takes.
            said = str(error).encode(errors="backslashreplace").decode()
            log.warning("left out: %s", said)
            file.fault = str(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """
    Finds the key of a file, as cheaply as it can.

    Args:
        key_of: Computes the key of a redacted request.
        uses_stored: Whether keys that stand in the files are those of `key_of`.
    """

    key_of: Callable[[Request], str]
    uses_stored: bool

    def find_stored(self, path: Path) -> str | None:
        """
        Return the key that a file says it has, without reading its request.

        It is what some recorder or editor wrote, so check it before it counts.

        Raises:
            CassetteError: The file can't be opened.
        """
        header = read_header(path) if self.uses_stored else None
        if header is None or header.match is None or header.match[0] != KEY_VERSION:
            return None
        return header.match[1].hex()

    def compute(self, path: Path, *, alike: Request | None, key: str | None) -> str:
        """
        Return the key of the request in a file.

        Args:
            alike: A request whose key is known; for an equal one none is computed.
            key: Of `alike`.

        Raises:
            CassetteError: There is no request to be read, or the project's rules can't
                be applied to it.
        """
        request = read_request(path)
        if key is not None and request == alike:
            return key
        try:
            return self.key_of(request)
        except UsageError as error:
            raise CassetteError(str(error), path=path) from error
