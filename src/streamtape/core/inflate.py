"""
Taking gzip and deflate off a body, as it comes or whole, a bounded chunk at a time.

Also where data were cut short, or are none: that is said, and never guessed.
"""

from __future__ import annotations

import zlib
from typing import Final

ENCODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
"""What can be taken off, as ``content-encoding`` names it."""

_GZIP_BITS: Final = 31
_ZLIB_BITS: Final = 15
_RAW_BITS: Final = -15
"""What makes zlib expect one of its formats."""

_GZIP_MAGIC: Final = b"\x1f\x8b"

_CHUNK_BYTES: Final = 64 * 1024
"""Longest chunk; a few bytes may stand for megabytes of them."""


class Inflater:
    """
    Decodes one body; all that can be known is given at once.

    Args:
        encoding: One of :data:`ENCODINGS`.
        most_members: How many gzip members may follow each other, as what is left is
            copied at the end of each; None for any number.
    """

    def __init__(self, encoding: str, *, most_members: int | None = None) -> None:
        self._is_gzip = encoding != "deflate"
        self._zlib = zlib.decompressobj(_GZIP_BITS if self._is_gzip else _ZLIB_BITS)
        self._members_left = most_members
        self._encoded = b""
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here; one without a byte may, too."""
        return self._zlib.eof or not self._has_begun

    def put(self, encoded: bytes) -> None:
        """Add what came, a byte at least; :meth:`take` gives what it means."""
        if not self._has_begun and not self._is_gzip and encoded[0] & 15 != 8:
            # Some leave out what the standard wants around it.
            self._zlib = zlib.decompressobj(_RAW_BITS)
        self._has_begun = True
        self._encoded += encoded

    def take(self) -> bytes:
        """
        Return the next chunk, at most 64 KiB; empty until more is put in.

        Raises:
            zlib.error: This was never encoded so, or has too many members.
        """
        while True:
            if self._zlib.eof and not self._begin_member():
                return b""
            chunk = self._zlib.decompress(self._encoded, _CHUNK_BYTES)
            self._encoded = self._zlib.unconsumed_tail
            if self._zlib.eof:
                self._encoded = self._zlib.unused_data
            elif not chunk:
                return b""
            if chunk:
                return chunk

    def _begin_member(self) -> bool:
        """Begin anew if another gzip member follows; what is none is dropped."""
        is_member = self._is_gzip and self._encoded.startswith(_GZIP_MAGIC)
        if is_member:
            if self._members_left is not None:
                self._members_left -= 1
                if self._members_left <= 0:
                    message = "too many members"
                    raise zlib.error(message)
            self._zlib = zlib.decompressobj(_GZIP_BITS)
        elif self._encoded[:2] != _GZIP_MAGIC[:1]:
            self._encoded = b""
        return is_member
