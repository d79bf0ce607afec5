"""
Reading one record of a cassette's file, without what is around it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from streamtape.core.format.excerpts import find_end, find_header, find_request
from streamtape.core.format.frames import (
    HEAD,
    MAX_PAYLOAD_BYTES,
    TRAILER,
    TRAILER_MAGIC,
)
from streamtape.core.format.records import End, Header
from streamtape.core.model import Request
from streamtape.errors import CassetteError
from streamtape.library.opening import open_regular, translated_errors
from streamtape.library.reader import CassetteReader

_HEADER_BYTES: Final = 1024
"""More than a HEADER of this version, with some room for those of later ones."""

_REQUEST_BYTES: Final = 128 * 1024
"""More than most requests have."""


def read_header(path: Path) -> Header | None:
    """
    Return the HEADER without reading the request, or None if there is no short one.

    A shortcut for indexes: it verifies the HEADER, but nothing behind it.

    Raises:
        CassetteError: The file can't be read.
    """
    with open_regular(path) as file, translated_errors(path):
        return find_header(file.read(_HEADER_BYTES))


def read_request(path: Path) -> Request:
    """
    Return the request without reading what is behind it, where that can be done.

    Raises:
        CassetteError: It can't be read that far.
    """
    with open_regular(path) as file, translated_errors(path):
        request = find_request(file.read(_REQUEST_BYTES))
    if request is None:
        # Long or odd, or else the error says what is wrong with it.
        with CassetteReader(path) as reader:
            request = reader.request
    return request


def read_end(path: Path) -> End | None:
    """
    Return the END record without reading the body, or None if there is none.

    A shortcut for listings: it looks where the trailer points and verifies what
    stands there, but not what comes before.

    Raises:
        CassetteError: The file can't be read.
    """
    with open_regular(path) as file, translated_errors(path):
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER.size))
        trailer = file.read(TRAILER.size)
        if len(trailer) < TRAILER.size:
            return None
        position, magic = TRAILER.unpack(trailer)
        end_size = size - TRAILER.size - position
        if magic != TRAILER_MAGIC or not 0 < end_size <= HEAD.size + MAX_PAYLOAD_BYTES:
            return None
        file.seek(position)
        return find_end(file.read(end_size))


def is_whole(path: Path) -> bool:
    """
    Whether a recording holds all that the upstream gave, be that a break.

    What a client left, what we ended and what can't be read is not whole.
    """
    try:
        end = read_end(path)
    except CassetteError:
        return False
    return end is not None and end.ending.reason.is_by_upstream
