"""
Taking the content encodings off a body, since no secret could be found in them.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamtape.core.model import Request

_GZIP, _ZLIB, _BARE = 31, 15, -15
"""What tells zlib which of its formats to expect."""
_FORMATS: Final = {
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    # Some leave out what the standard wants around it.
    "deflate": (_ZLIB, _BARE),
}
_GZIP_MAGIC: Final = b"\x1f\x8b"
_MOST_CODINGS: Final = 4
_MOST_MEMBERS: Final = 16
"""Of one gzip body; behind each one the rest is copied."""
_CODING_CHARS: Final = 40


def decode_body(request: Request, *, limit_bytes: int) -> Request:
    """
    Return a request without the ``content-encoding`` of its body.

    In what is encoded no secret could be found. So a body with another coding than
    gzip and deflate, a broken one, and one that is longer than the limit once it is
    decoded become a line with their digest, which tells equal from unequal.
    """
    values = [
        value for name, value in request.headers if name.lower() == "content-encoding"
    ]
    if not values:
        return request
    codings = [coding.strip().lower() for coding in ",".join(values).split(",")]
    body = _decode(request.body, codings, limit_bytes)
    if body is None:
        shown = re.sub("[^a-z0-9, _-]", "?", ", ".join(codings)[:_CODING_CHARS])
        digest = hashlib.sha256(request.body).hexdigest()
        size = f"{len(request.body)} bytes"
        body = f"[not decoded: {shown}, {size}, sha256 {digest}]".encode()
    headers = tuple(
        pair for pair in request.headers if pair[0].lower() != "content-encoding"
    )
    return replace(request, headers=headers, body=body)


def _decode(body: bytes, codings: list[str], limit_bytes: int) -> bytes | None:
    """
    Take codings off a body, the last one first, or return None if one can't be.
    """
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if len(applied) > _MOST_CODINGS:
        return None
    for coding in reversed(applied):
        found = (
            _inflate(body, window_bits, limit_bytes)
            for window_bits in _FORMATS.get(coding, ())
        )
        decoded = next((each for each in found if each is not None), None)
        if decoded is None:
            return None
        body = decoded
    return body


def _inflate(packed: bytes, window_bits: int, limit_bytes: int) -> bytes | None:
    """
    Return what zlib makes of all members, without what is no member behind them.
    """
    body = bytearray()
    for _ in range(_MOST_MEMBERS):
        decoder = zlib.decompressobj(window_bits)
        try:
            # At least one more than is left: 0 would stand for no limit.
            body += decoder.decompress(packed, limit_bytes + 1 - len(body))
        except zlib.error:
            return None
        if not decoder.eof or len(body) > limit_bytes:
            return None
        packed = decoder.unused_data
        if window_bits != _GZIP or not packed.startswith(_GZIP_MAGIC):
            return bytes(body)
    return None
