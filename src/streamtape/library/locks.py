"""
File locks, which tell a recording that runs from one whose recorder was killed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no flock; an orphan then looks like any part.
    fcntl = None  # type: ignore[assignment]  # The module or nothing.


def lock_file(descriptor: int) -> None:
    """
    Lock an open file for as long as it stays open, where the system can.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """
    Whether a recorder still has this file open.
    """
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
