"""
The files of a library by their keys.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from streamtape.library.files import File


class KeyedFiles:
    """
    Those that have a key, each key's in the order of its takes.
    """

    def __init__(self) -> None:
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
