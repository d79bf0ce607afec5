"""
What this process knows of the files in a library, by the keys of their requests.

A file's key is read off its first bytes, or computed from its request. Of what has
not changed nothing is read again.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from streamtape.core.matching.key import KEY_VERSION
from streamtape.core.model import Request
from streamtape.errors import CassetteError, CassetteNotFoundError, UsageError
from streamtape.library.disk import is_locked
from streamtape.library.filenames import TAPE_SUFFIX, stem_and_take, walk
from streamtape.library.reader import EXHAUSTED, read_header, read_request
from streamtape.library.signature import Signature, WallClock, is_settled, signature_of
from streamtape.library.writer import PART_SUFFIX

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class File:
    """A cassette or part. There may be ten thousand, so it holds little."""

    path: str
    folders: tuple[str, ...]
    """The names from the library's folder to its own."""
    signature: Signature = ()
    """Taken before what it stands for was read, so that a change between is seen."""
    is_read: bool = False
    """Whether the next look need not read it if the signature is the same."""
    key: str | None = None
    """None for what can't be read, and for a part while it is being recorded."""
    is_sure: bool = False
    """Whether the key is that of the request, and not only what the file says."""
    is_earlier: bool = False
    """Whether it is as it was when the run began."""
    fault: str | None = None
    """What was said of it when it was left out."""

    @property
    def name(self) -> str:
        """Its own, with the ending."""
        return self.path.rpartition(os.sep)[2]

    @property
    def is_part(self) -> bool:
        """Whether its recording has not ended, or never will."""
        return self.path.endswith(PART_SUFFIX)

    @property
    def order(self) -> tuple[tuple[str, ...], str, int, str]:
        """What sorts takes as they were recorded, folder by folder."""
        name = self.name
        return (self.folders, *stem_and_take(name), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteInfo:
    """What is known of a cassette without opening it."""

    name: str
    """As :meth:`~streamtape.library.library.Library.name_of`."""
    stem: str
    """The file's name without take and ending."""
    size_bytes: int
    path: Path


class Index:
    """
    The files below a folder by their keys; to be changed by one thread at a time.

    Any other may read it meanwhile, and gets what is known at that moment.

    Args:
        wall_ns: None to rely on no signature: all is read again at each look.
    """

    def __init__(self, top: Path, keys: KeySource, wall_ns: WallClock | None) -> None:
        self._top = top
        self._keys = keys
        self._wall_ns = wall_ns
        self._files: dict[str, File] = {}
        self._takes: dict[str, tuple[File, ...]] = {}
        """Those of each key in their order; replaced and never changed."""
        self._is_first_look = True

    def takes(self, key: str) -> tuple[File, ...]:
        """
        Return what answers a request as far as is known, in order, parts included.
        """
        return self._takes.get(key, ())

    def files(self) -> Iterator[File]:
        """Give all that have a key, in no order."""
        for files in self._takes.copy().values():
            yield from files

    def infos(self) -> list[CassetteInfo]:
        """List what was known of them at the last look, in their order."""
        ordered = sorted(
            (file.order, file.path, file.signature[-1]) for file in self.files()
        )
        return [
            CassetteInfo(
                name="/".join((*folders, name.removesuffix(TAPE_SUFFIX))),
                stem=stem,
                size_bytes=size_bytes,
                path=Path(path),
            )
            for (folders, stem, _, name), path, size_bytes in ordered
        ]

    def look(self) -> None:
        """
        Look at all folders and files, and read those that are new or changed.

        Raises:
            CassetteError: No file can be opened now, whatever is in it.
        """
        now_ns = self._now_ns()
        gone = self._files.copy()
        for folders, path in walk(str(self._top)):
            file = gone.pop(path, None)
            if file is None:
                file = self._files[path] = File(path, folders)
            signature = signature_of(path)
            if signature != file.signature or not file.is_read:
                self._read(file, signature, now_ns)
        for file in gone.values():
            self.forget(file)
        self._is_first_look = False

    def check(self, key: str) -> None:
        """
        Make sure of the keys of all takes of a key; what has another one leaves.

        Raises:
            CassetteError: As for :meth:`look`.
        """
        for file in self.takes(key):
            try:
                if not file.is_sure:
                    self._set_key(file, self._keys.compute(Path(file.path)))
            except CassetteError as error:
                self._leave_out(file, error)

    def add(self, path: Path, key: str) -> None:
        """Take in a file that was just made or replaced, whose key is known."""
        now_ns = self._now_ns()
        folders = path.parent.relative_to(self._top).parts
        # As a look spells it: a Path would leave out a dot at the start.
        spelled = os.path.join(self._top, *folders, path.name)  # noqa: PTH118  # See above.
        file = self._files.setdefault(spelled, File(spelled, folders))
        file.signature = signature_of(path)
        file.is_read = is_settled(file.signature, now_ns)
        file.is_earlier = False
        self._set_key(file, key)

    def begin_run(self) -> None:
        """Let all that is there at the next look be of an earlier run."""
        self._is_first_look = True
        for file in self._files.values():
            file.is_earlier = True

    def forget(self, file: File) -> None:
        """Leave out a file that is gone."""
        self._set_key(file, None)
        self._files.pop(file.path, None)

    def _now_ns(self) -> int:
        return 0 if self._wall_ns is None else self._wall_ns()

    def _read(self, file: File, signature: Signature, now_ns: int) -> None:
        if signature != file.signature:
            file.signature = signature
            file.is_earlier = self._is_first_look
        file.is_read = is_settled(signature, now_ns)
        # Whatever goes wrong below, what it was before answers nobody any more.
        self._set_key(file, None)
        path = Path(file.path)
        if file.is_part and is_locked(path):
            # It answers nobody yet, and grows: reading it now would be for nothing.
            file.is_read = False
            return
        try:
            # The head of a part may be all that there is of it.
            stored = None if file.is_part else self._keys.find_stored(path)
            self._set_key(
                file, stored or self._keys.compute(path), is_sure=stored is None
            )
        except CassetteError as error:
            self._leave_out(file, error)

    def _set_key(self, file: File, key: str | None, *, is_sure: bool = True) -> None:
        file.is_sure = is_sure
        if file.key == key:
            return
        if file.key is not None:
            others = tuple(each for each in self._takes[file.key] if each is not file)
            if others:
                self._takes[file.key] = others
            else:
                del self._takes[file.key]
        file.key = key
        if key is not None:
            file.fault = None
            takes = self._takes.get(key, ())
            at = bisect(takes, file.order, key=lambda each: each.order)
            self._takes[key] = (*takes[:at], file, *takes[at:])

    def _leave_out(self, file: File, error: CassetteError) -> None:
        if isinstance(error, CassetteNotFoundError):
            self.forget(file)
            return
        self._set_key(file, None)
        if isinstance(error.__cause__, OSError):
            # The next look may do better, and the signature won't tell.
            file.is_read = False
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

        It is what some recorder or editor wrote: whoever plays the file finds out.

        Raises:
            CassetteError: The file can't be opened.
        """
        header = read_header(path) if self.uses_stored else None
        if header is None or header.match is None or header.match[0] != KEY_VERSION:
            return None
        return header.match[1].hex()

    def compute(self, path: Path) -> str:
        """
        Return the key of the request in a file.

        Raises:
            CassetteError: There is no request to be read, or the project's rules can't
                be applied to it.
        """
        request = read_request(path)
        try:
            return self.key_of(request)
        except UsageError as error:
            raise CassetteError(str(error), path=path) from error
