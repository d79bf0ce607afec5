"""
The calls of the system by which a recording reaches the disk.

They stand in one object, which is handed to all that writes: a test hands in one that
fails. File locks tell a recording that runs from one whose recorder was killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows has no flock; an orphan then looks like any part.
    fcntl = None  # type: ignore[assignment]  # The module or nothing.

_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class Disk:
    """
    What writes, names and removes files; each call raises OSError if it is refused.
    """

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, for the owner alone."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def create(self, path: Path) -> int:
        """Make a file that isn't there yet, and open it for appending."""
        return os.open(path, _CREATE, 0o600)

    # The call itself, as each event that is recorded goes through it.
    write: Callable[[int, bytes], int] = staticmethod(os.write)
    """Append as much as fits; returns how many bytes that were."""

    def write_all(self, descriptor: int, data: bytes) -> None:
        """Append all, in as many writes as it takes."""
        # A disk that is nearly full takes a part, and says why at the next call.
        while data:
            written = self.write(descriptor, data)
            if not written:
                message = "the disk takes nothing and doesn't say why"
                raise OSError(errno.EIO, message)
            data = data[written:]

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file off after so many bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until a file is where no power loss reaches it."""
        os.fsync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in a folder are where no power loss reaches them."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def hold(self, path: Path) -> None:
        """Make an empty file that isn't there yet, to keep its name from others."""
        os.close(self.create(path))

    def link(self, path: Path, name: Path) -> None:
        """Give a file a second name, which nothing has yet."""
        name.hardlink_to(path)

    def rename(self, path: Path, name: Path) -> None:
        """Give a file another name, and take that from whatever had it."""
        path.replace(name)

    def remove(self, path: Path) -> None:
        """Take away one name of a file, if it is there."""
        path.unlink(missing_ok=True)


def lock_file(descriptor: int) -> None:
    """Lock an open file for as long as it stays open, where the system can."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether a recorder still has this file open."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Shared, so that two who ask at once don't take each other for a recorder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
