"""
Taking the encoding off a body while it comes, a bounded piece at a time.

An upstream is asked for plain bodies. What it compresses all the same is decoded
here and not by aiohttp, which takes data that were cut short for whole ones.
"""

from __future__ import annotations

import zlib
from typing import Final

from multidict import CIMultiDictProxy

_GZIP_BITS: Final = 31
_ZLIB_BITS: Final = 15
_RAW_BITS: Final = -15

_GZIP_MAGIC: Final = b"\x1f\x8b"

_PIECE_BYTES: Final = 64 * 1024
"""Longest piece; a few bytes may stand for megabytes of them."""

DECODED: Final = frozenset({"gzip", "x-gzip", "deflate"})
"""Encodings that are taken off."""

UNKNOWN: Final = frozenset({"br", "zstd", "compress"})
"""Encodings that clients know and that can't be taken off here."""


def encoding_of(headers: CIMultiDictProxy[str]) -> str:
    """Return the encoding of a body in lower case; empty for none."""
    return ", ".join(headers.getall("Content-Encoding", ())).strip().lower()


class BodyDecoder:
    """
    Decodes one body; every piece that can be known is given at once.

    Args:
        encoding: One of DECODED.
    """

    def __init__(self, encoding: str) -> None:
        self._is_gzip = encoding != "deflate"
        self._inflater = zlib.decompressobj(_GZIP_BITS if self._is_gzip else _ZLIB_BITS)
        self._encoded = b""
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here; one without a byte may, too."""
        return self._inflater.eof or not self._has_begun

    def put(self, encoded: bytes) -> None:
        """Add what came; :meth:`take` gives what it means."""
        if not self._has_begun and not self._is_gzip and encoded[0] & 15 != 8:
            # Some servers send deflate without the header that belongs to it.
            self._inflater = zlib.decompressobj(_RAW_BITS)
        self._has_begun = True
        self._encoded += encoded

    def take(self) -> bytes:
        """
        Return the next piece, at most 64 KiB; empty until more is put in.

        Raises:
            zlib.error: This was never encoded so.
        """
        while True:
            if self._inflater.eof and not self._begin_member():
                return b""
            piece = self._inflater.decompress(self._encoded, _PIECE_BYTES)
            self._encoded = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self._encoded = self._inflater.unused_data
            elif not piece:
                return b""
            if piece:
                return piece

    def _begin_member(self) -> bool:
        """Begin anew if another gzip member follows; what is none is dropped."""
        is_member = self._is_gzip and self._encoded.startswith(_GZIP_MAGIC)
        if is_member:
            self._inflater = zlib.decompressobj(_GZIP_BITS)
        elif self._encoded[:2] != _GZIP_MAGIC[:1]:
            self._encoded = b""
        return is_member
