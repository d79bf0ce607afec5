"""
What the first bytes of a file say: a cassette, one of a later version, or what else.
"""

from __future__ import annotations

from typing import Final

from streamtape.core.format.frames import MAGIC
from streamtape.errors import NotACassetteError, UnsupportedVersionError

TELLING_BYTES: Final = 64
"""How many of them are enough to tell."""


def check_magic(start: bytes) -> None:
    """
    Refuse a file that can't be a cassette, however it goes on.

    Args:
        start: Its first bytes, maybe fewer than the magic has.

    Raises:
        NotACassetteError: It does not begin with the magic.
        UnsupportedVersionError: It is of a later major version.
    """
    magic = start[: len(MAGIC)]
    if MAGIC.startswith(magic):
        return
    if _is_magic(magic) and magic[4:5].isdigit():
        reason = (
            f"format version {magic[4:5].decode()}, and this streamtape reads "
            "version 1; upgrade streamtape or record it again"
        )
        raise UnsupportedVersionError(reason)
    raise NotACassetteError(explain_foreign(start))


def explain_foreign(start: bytes) -> str:
    """
    Say what a file is that is no cassette, and what to do about it.

    Args:
        start: As for :func:`check_magic`; all there is of a file that ends within
            the magic.
    """
    if not start:
        return "not a cassette: the file is empty; remove it, and record it again"
    if MAGIC.startswith(start):
        return (
            f"not a cassette: it ends after {len(start)} bytes; remove it, and record "
            "it again"
        )
    if start.startswith(b"version https://git-lfs"):
        return "not a cassette but a Git LFS pointer; run git lfs pull"
    if start.startswith(b"<<<<<<<"):
        return "not a cassette but a merge conflict; check out one of the two files"
    if start.startswith(b"\x1f\x8b"):
        return "not a cassette but a file that gzip packed; unpack it with gunzip"
    wrong = [at for at in range(len(MAGIC)) if start[at : at + 1] != MAGIC[at : at + 1]]
    if len(wrong) == 1 and start[0] != MAGIC[0] & 0x7F:
        # Cut off eighth bits are a conversion, and so is another line end.
        (at,) = wrong
        if not {start[at], MAGIC[at]} <= set(b"\r\n"):
            return (
                f"damaged in its first bytes: byte {at} is {start[at]:#04x}, not "
                f"{MAGIC[at]:#04x}; restore it"
            )
    # Two bytes stand for each character of UTF-16.
    is_near = b"STP" in start[:12] or b"S\0T\0P" in start[:12]
    if is_near and not _is_magic(start[: len(MAGIC)]):
        return (
            "a text conversion damaged this cassette; restore it, and mark *.tape "
            "as binary in .gitattributes"
        )
    return f"not a cassette: it begins with {start[:9]!r}, not with {MAGIC!r}"


def _is_magic(start: bytes) -> bool:
    """
    Whether these are the first bytes of a cassette of some version.
    """
    return start[:4] == MAGIC[:4] and start[5:] == MAGIC[5 : len(start)]
