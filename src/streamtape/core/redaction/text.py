"""
Secrets in a whole text: where they are, and the text without them.

Secrets are keys of known kinds and those that this process has seen. By construction:
what writes a cassette takes the clean types alone, and only the functions here and in
:mod:`~streamtape.core.redaction.headers` make them. What the client and the upstream
exchange is never changed, only what is written. Ids and signatures stay, because
clients send them back and matching needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import regex

from streamtape.core.redaction.rules import KeyKind, find_runs, has_long_run, kinds_in
from streamtape.core.redaction.secrets import (
    find_unfinished,
    get_beginnings,
    remembered_in,
)


class CleanBytes(bytes):
    """Bytes that hold no key."""

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
    """Replace every key, as long as none of its characters is escaped."""
    if not has_long_run(raw):
        # As in nearly every event.
        found = remembered_in(raw, has_run=False)
        return _clean(raw, has_run=False, kinds=()) if found else CleanBytes(raw)
    if get_beginnings().search(raw) is None:
        return CleanBytes(raw)
    return _clean(raw, has_run=True, kinds=kinds_in(find_runs(raw)))


def _clean(raw: bytes, *, has_run: bool, kinds: Iterable[KeyKind]) -> CleanBytes:
    """Replace every key that was seen, and those of some kinds."""
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
    """Replace every key, and bytes that were no UTF-8."""
    try:
        raw = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # JSON can spell half of a pair, which stands for no byte.
        raw = text.encode(errors="surrogatepass")
    return clean_bytes(raw).decode(errors="replace")


Span: TypeAlias = tuple[int, int]

_LONGEST_WHOLE_BYTES: Final = 8 * 1024
"""From here on a key of a known kind that goes on is not looked at as a whole."""

_LONGEST_CUT_BYTES: Final = 1024
"""No key of a known kind is longer, but for tokens and private ones."""

TELLING_BYTES: Final = 8
"""
How much of what is secret may stand at the end of a text: so much is hidden.

Ordinary words are as long, and less says little of a key.
"""

_WORDS: Final = re.compile(
    # Also such as MyWord, with a number of up to three digits, or a number alone.
    rb"[^A-Za-z0-9]*+(?:(?:(?:[A-Z]?[a-z]++(?:[A-Z][a-z]{2,}+)*+|[A-Z]++)[0-9]{0,3}"
    rb"|[0-9]++)(?:[^A-Za-z0-9]++|\Z))*+"
)
"""What people write, and hardly any key is made of by chance."""


def find_keys(text: bytes) -> list[Span]:
    """Return where the keys are, in order; none overlaps another."""
    found: list[Span] = []
    spellings = remembered_in(text, has_run=has_long_run(text))
    if spellings:
        pattern = re.compile(b"|".join(map(re.escape, spellings)))
        found += [match.span() for match in pattern.finditer(text)]
    for kind in kinds_in(text):
        for match in kind.pattern.finditer(text):
            start = match.end(1) if match.lastindex else match.start()
            found.append((start, match.end()))
    return merge(found)


def find_unsure(text: bytes) -> int:
    """
    Return from where on the text may be the beginning of a key, its length if nowhere.

    The public word with which a key begins is not counted in.
    """
    unsure = len(text)
    for kind in kinds_in(text):
        match = _find_begun(kind, text)
        if match is None:
            continue
        public = kind.public.match(text, match.start())
        if public is not None:
            unsure = min(unsure, public.end())
    unfinished = find_unfinished(text)
    return unsure if unfinished is None else min(unsure, unfinished)


def find_cut_off(text: bytes, *, is_cut: bool) -> int | None:
    """
    Return where the key begins that a text ends within, or None.

    Args:
        is_cut: The text broke off. One that is over was perhaps cut off as well, by
            whom it came from, but there what may be words are taken for some.
    """
    found = find_unfinished(text, shortest=TELLING_BYTES)
    unsure = len(text)
    for kind in kinds_in(text):
        match = _find_begun(kind, text)
        if match is None:
            continue
        start = match.start()
        public = kind.public.match(text, start)
        told = public if is_cut else kind.public_if_cut.match(text, start)
        if public is None or told is None or len(text) - told.end() < TELLING_BYTES:
            continue
        if not is_cut and kind.may_be_words and _WORDS.fullmatch(text, told.end()):
            continue
        unsure = min(unsure, public.end())
    if unsure < len(text):
        return unsure if found is None else min(found, unsure)
    return found


def find_cut_strings(raw: bytes, kinds: Iterable[KeyKind]) -> list[Span]:
    """
    Return where the keys of some kinds are that strings of JSON end within, in order.
    """
    found: list[Span] = []
    for kind in kinds:
        for opener in kind.public_if_cut.finditer(raw):
            end = raw.find(b'"', opener.end(), opener.end() + _LONGEST_CUT_BYTES)
            if end - opener.end() < TELLING_BYTES:
                continue
            begun = kind.partial.fullmatch(raw, opener.start(), end, partial=True)
            if begun is None or not begun.partial:
                continue
            if kind.may_be_words and _WORDS.fullmatch(raw, opener.end(), end):
                continue
            public = kind.public.match(raw, opener.start())
            if public is not None:
                found.append((public.end(), end))
    return merge(found)


def _find_begun(kind: KeyKind, text: bytes) -> regex.Match[bytes] | None:
    """Return what a text ends in that may become a key of some kind."""
    match = kind.partial.search(text, partial=True)
    while match is not None and not match.partial:
        match = kind.partial.search(text, match.end(), partial=True)
    return match


def may_be_key(text: bytes) -> bool:
    """
    Whether a text begins with a key of a known kind, or may be the beginning of one.
    """
    return any(
        kind.partial.match(text, partial=True) is not None for kind in kinds_in(text)
    )


def find_endless(text: bytes) -> list[re.Pattern[bytes]]:
    """Return how the key may go on that the text ends in, if that can be for ever."""
    if len(text) < _LONGEST_WHOLE_BYTES and find_unfinished(text) is not None:
        # One that is remembered may be longer, and of other characters.
        return []
    return [
        kind.more
        for kind in kinds_in(text)
        if kind.more is not None
        and any(found.end() == len(text) for found in kind.pattern.finditer(text))
    ]


def merge(spans: list[Span]) -> list[Span]:
    """Return spans in order, those that overlap made one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
