"""Writing one cassette: a ``.part`` while it runs, its name only when it is whole."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from streamtape.library.disk import Disk, lock_file

log = logging.getLogger(__name__)

PART_SUFFIX: Final = ".part"


class CassetteWriter:
    """
    Appends to the file of a recording that runs, and never raises for the disk.

    Whatever :meth:`write` was given is in the file if this process is killed. When
    the disk fails, the file keeps its whole frames, which is a truncated cassette, or
    goes if it has none; :attr:`failure` says why, and every later call does nothing:
    the traffic that is recorded goes on.

    Args:
        folder: Where to put the file; made if it isn't there.
        stem: Name of the cassette without take and ending.
        disk: Where to write; None for the usual one.
    """

    def __init__(self, folder: Path, stem: str, *, disk: Disk | None = None) -> None:
        self.folder = folder
        self.stem = stem
        self.disk = disk or Disk()
        self.path: Path | None = None
        """The ``.part``; None before the first write and after it was committed."""
        self.failure: OSError | None = None
        self._descriptor = -1
        self._size = 0

    def write(self, data: bytes) -> bool:
        """
        Append bytes that end at the edge of a frame; returns whether all are there.
        """
        if self.failure is not None:
            return False
        try:
            if self._descriptor < 0:
                self._create()
            written = self.disk.write(self._descriptor, data)
            if written != len(data):
                self.disk.write_all(self._descriptor, data[written:])
            self._size += len(data)
        except OSError as error:
            self._fail(error)
            return False
        return True

    def sync(self) -> None:
        """
        Make sure that the file survives a power loss. Blocks for milliseconds.
        """
        if self.failure is None and self._descriptor >= 0:
            try:
                self.disk.sync(self._descriptor)
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Close the file and leave it where it is; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            # A disk that fails now has nothing to add: sync() has said it.
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def discard(self) -> None:
        """Close the file and take it away."""
        self.close()
        path, self.path = self.path, None
        if path is not None:
            try:
                self.disk.remove(path)
            except OSError as error:
                log.error("%s: can't be removed: %s", path, error.strerror or error)

    def _create(self) -> None:
        number = 1
        while self._descriptor < 0:
            path = self.folder / f"{self.stem}.{number}{PART_SUFFIX}"
            try:
                self._descriptor = self.disk.create(path)
                self.path = path
            except FileExistsError:
                number += 1
            except FileNotFoundError:
                # It is there nearly always, and asking first would cost as much.
                self.disk.make_folder(self.folder)
        lock_file(self._descriptor)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        rest = (
            "; what came before stays, for `streamtape recover`" if self._size else ""
        )
        log.error(
            "%s: %s; this interaction is not recorded further, its client is served%s",
            self.path or self.folder,
            error.strerror or error,
            rest,
        )
        # It has been said; where even this fails, what is there reads as truncated.
        with contextlib.suppress(OSError):
            if self._size:
                self.disk.truncate(self._descriptor, self._size)
            elif self.path is not None:
                self.disk.remove(self.path)
                self.path = None
        self.close()
