"""
The files of a library by their keys, and how each gets its own.
"""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import Iterator

from streamtape.core.model import Request
from streamtape.errors import CassetteError, CassetteNotFoundError
from streamtape.library.files import File
from streamtape.library.keys import KeySource
from streamtape.library.locks import is_locked
from streamtape.library.opening import EXHAUSTED

log = logging.getLogger(__name__)


class KeyedFiles:
    """
    Those that have a key, each key's in the order of its takes.
    """

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._takes: dict[str, list[File]] = {}

    def __iter__(self) -> Iterator[File]:
        for files in self._takes.values():
            yield from files

    def takes(self, key: str) -> list[File]:
        """
        Return the files of a key, maybe none.
        """
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
        """
        Leave out a file that is gone.
        """
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
