"""
Taking keys out of bytes and texts.

Keys are those of known kinds and those that this process has seen. By construction:
what writes a cassette takes the clean types alone, and only the functions here and in
:mod:`~streamtape.core.secrecy.heads` make them. What the client and the upstream
exchange is never changed, only what is written. Ids and signatures stay, because
clients send them back and matching needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from streamtape.core.secrecy.key_spans import find_cut_strings
from streamtape.core.secrecy.known_keys import (
    KeyKind,
    find_runs,
    has_long_run,
    kinds_in,
)
from streamtape.core.secrecy.secrets import get_beginnings, remembered_in


class CleanBytes(bytes):
    """
    Bytes that hold no key.
    """

    __slots__ = ()


REDACTED: Final = "[redacted]"

_ESCAPED: Final = re.compile(
    # Letters, digits and those of -_.~+/= that JSON lets one write as they are; with
    # several backslashes it is JSON in a string of JSON.
    rb"\\+(?:u00(2[bdefBDEF]|3[0-9dD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]"
    rb"|7[0-9aAeE])|/)"
)
_HIDDEN: Final = re.compile(
    rb"u00(?<=\\u00)(?:2[bdefBDEF]|3[0-9dD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]"
    rb"|7[0-9aAeE])"
)
"""Whether there is one, but for a slash: found ten times as fast."""
PLACEHOLDER: Final = REDACTED.encode()


def clean_bytes(raw: bytes) -> CleanBytes:
    """
    Replace every key, as long as none of its characters is escaped.
    """
    if not has_long_run(raw):
        # As in nearly every event.
        found = remembered_in(raw, has_run=False)
        return _clean(raw, has_run=False, kinds=()) if found else CleanBytes(raw)
    if get_beginnings().search(raw) is None:
        return CleanBytes(raw)
    return _clean(raw, has_run=True, kinds=kinds_in(find_runs(raw)))


def _clean(raw: bytes, *, has_run: bool, kinds: Iterable[KeyKind]) -> CleanBytes:
    """
    Replace every key that was seen, and those of some kinds.
    """
    kinds = tuple(kinds) if has_run else ()
    if found := remembered_in(raw, has_run=has_run):
        # The longest first: one key may begin as another does.
        raw = re.sub(b"|".join(map(re.escape, found)), PLACEHOLDER, raw)
    for kind in kinds:
        raw = kind.pattern.sub(_redact, raw)
    return CleanBytes(raw)


def clean_json(raw: bytes) -> CleanBytes:
    """
    Replace every key in bytes that hold JSON, however its characters are escaped.

    The JSON stays as valid as it was.
    """
    plain = unescape(raw)
    if plain is not raw:
        # In JSON it is the same, as none of these characters has to be escaped.
        cleaned = clean_bytes(plain)
        if cleaned != plain:
            return cleaned
    return clean_bytes(raw)


def clean_strings(raw: bytes) -> CleanBytes:
    """
    Replace every key in JSON, and what a string ends in if it is one that was cut off.

    For bodies whose strings are whole texts, where a model may have come to its last
    token within a key.
    """
    plain = unescape(raw)
    kinds = tuple(kinds_in(plain))
    if plain is raw:
        cleaned = plain = _clean(raw, has_run=has_long_run(raw), kinds=kinds)
    else:
        cleaned = clean_json(raw)
        plain = unescape(cleaned)
    cuts = find_cut_strings(plain, kinds)
    if not cuts:
        return cleaned
    pieces = []
    place = 0
    for start, end in cuts:
        pieces += [plain[place:start], PLACEHOLDER]
        place = end
    return CleanBytes(b"".join([*pieces, plain[place:]]))


def unescape(raw: bytes) -> bytes:
    """
    Take the JSON escapes off all characters that keys are made of.

    Returns the same object where there is none.
    """
    if b"\\/" in raw or (b"\\u00" in raw and _HIDDEN.search(raw)):
        return _ESCAPED.sub(_unescape, raw)
    return raw


def _redact(match: re.Match[bytes]) -> bytes:
    kept: bytes = match[1] if match.lastindex else b""
    return kept + PLACEHOLDER


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"/"


def clean_text(text: str) -> str:
    """
    Replace every key, and bytes that were no UTF-8.
    """
    try:
        raw = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # JSON can spell half of a pair, which stands for no byte.
        raw = text.encode(errors="surrogatepass")
    return clean_bytes(raw).decode(errors="replace")
