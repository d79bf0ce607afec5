"""
Writing one cassette: a ``.part`` while it runs, its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from streamtape.library.locks import lock_file

log = logging.getLogger(__name__)

PART_SUFFIX: Final = ".part"

_FLAGS: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class CassetteWriter:
    """
    Appends to the file of a recording that runs, and never raises for the disk.

    Whatever :meth:`write` was given is in the file if this process is killed. When
    the disk fails, the file keeps its whole frames, :attr:`failure` says why, and
    every later call does nothing: the traffic that is recorded goes on.

    Args:
        folder: Where to put the file; made if it isn't there.
        stem: Name of the cassette without take and ending.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self.folder = folder
        self.stem = stem
        self.path: Path | None = None
        """The ``.part``; None before the first write and after it was committed."""
        self.failure: OSError | None = None
        self._descriptor = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        """
        Append bytes that end at the edge of a frame.
        """
        if self.failure is not None:
            return
        try:
            if self._descriptor < 0:
                self._create()
            written = os.write(self._descriptor, data)
            if written != len(data):
                self._write_rest(data[written:])
            self._size += len(data)
        except OSError as error:
            self._fail(error)

    def sync(self) -> None:
        """
        Make sure that the file survives a power loss. Blocks for milliseconds.
        """
        if self.failure is None and self._descriptor >= 0:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """
        Close the file and leave it where it is; may be called twice.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # A disk that fails now has nothing to add: sync() has said it.
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def discard(self) -> None:
        """
        Close the file and take it away.
        """
        self.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            self.path = None

    def _create(self) -> None:
        number = 1
        while self._descriptor < 0:
            path = self.folder / f"{self.stem}.{number}{PART_SUFFIX}"
            try:
                self._descriptor = os.open(path, _FLAGS, 0o600)
                self.path = path
            except FileExistsError:
                number += 1
            except FileNotFoundError:
                # It is there nearly always, and asking first would cost as much.
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock_file(self._descriptor)

    def _write_rest(self, rest: bytes) -> None:
        # A disk that is nearly full takes a part, and says why at the next call.
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _fail(self, error: OSError) -> None:
        self.failure = error
        where = self.path or self.folder
        log.error(
            "%s: %s; this interaction is not recorded further, its client is served",
            where,
            error.strerror or error,
        )
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            self.close()
