"""
Opening a cassette's file, and what is said where the system refuses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    NotACassetteError,
)

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that are this process's own, and say nothing about a file."""


def open_regular(path: Path) -> BinaryIO:
    """
    Open a file that is one: a fifo would block, a link may lead anywhere.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with translated_errors(path):
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotACassetteError("not a file", path=path)
    return os.fdopen(descriptor, "rb", buffering=0)


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """
    Name the file in what the system says of it, as an error of ours.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise CassetteNotFoundError("there is no such cassette", path=path) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            reason = "a symbolic link, which is not followed; name the file itself"
            raise NotACassetteError(reason, path=path) from error
        reason = f"can't be read: {error.strerror or error}"
        raise CassetteError(reason, path=path) from error
