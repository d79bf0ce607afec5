"""
Secrets in a whole text: where they are, and the text without them.

Also in a body that comes in chunks, which are joined to such texts.

Secrets are those of the known rules and those that were seen. By construction: what
writes a cassette takes the clean types alone, and only the functions here and in
:mod:`~streamtape.core.redaction.headers` make them. What the client and the upstream
exchange is never changed, only what is written. Ids and signatures stay, because
clients send them back and matching needs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

import regex

from streamtape.core.messages.deltas import BACKSLASH
from streamtape.core.redaction.rules import (
    CLOSER,
    SECRET_RULES,
    SecretRule,
    find_runs,
    has_long_run,
    rules_in,
)
from streamtape.core.redaction.secrets import KnownSecrets, Secrets


class CleanBytes(bytes):
    """Bytes that hold no secret."""

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


def clean_bytes(raw: bytes, secrets: Secrets) -> CleanBytes:
    """Replace every secret, as long as none of its characters is escaped."""
    known = secrets.known
    if not has_long_run(raw):
        # As in nearly every event.
        return _clean(raw, known, has_run=False)
    if known.beginnings.search(raw) is None:
        return CleanBytes(raw)
    return _clean(raw, known, has_run=True, rules=tuple(rules_in(find_runs(raw))))


def _clean(
    raw: bytes, known: KnownSecrets, *, has_run: bool, rules: Iterable[SecretRule] = ()
) -> CleanBytes:
    """Replace every secret that was seen, and those of some rules."""
    if found := known.spellings_in(raw, has_run=has_run):
        # The longest first: one may begin as another does.
        raw = re.sub(b"|".join(map(re.escape, found)), PLACEHOLDER, raw)
    for rule in rules:
        raw = rule.pattern.sub(_redact, raw)
    return CleanBytes(raw)


def clean_json(raw: bytes, secrets: Secrets) -> CleanBytes:
    """
    Replace every secret in bytes that hold JSON, however its characters are escaped.

    The JSON stays as valid as it was.
    """
    plain = unescape(raw)
    if plain is not raw:
        # In JSON it is the same, as none of these characters has to be escaped.
        cleaned = clean_bytes(plain, secrets)
        if cleaned != plain:
            return cleaned
    return clean_bytes(raw, secrets)


def clean_strings(raw: bytes, secrets: Secrets) -> CleanBytes:
    """
    Replace every secret in JSON, and one that was cut off at the end of a string.

    For bodies whose strings are whole texts, where a model may have come to its last
    token within a secret.
    """
    plain = unescape(raw)
    rules = tuple(rules_in(plain))
    if plain is raw:
        has_run = has_long_run(raw)
        cleaned = plain = _clean(
            raw, secrets.known, has_run=has_run, rules=rules if has_run else ()
        )
    else:
        cleaned = clean_json(raw, secrets)
        plain = unescape(cleaned)
    cuts = find_cut_strings(plain, rules)
    return _replace(plain, cuts) if cuts else cleaned


def clean_cut(raw: bytes, secrets: Secrets) -> CleanBytes:
    """Replace every secret in bytes that hold JSON and may be cut off within one."""
    cleaned = clean_json(raw, secrets)
    plain = unescape(cleaned)
    spans = find_secrets(plain, secrets)
    start = find_cut_off(plain, secrets, is_cut=True)
    if start is not None:
        spans.append((start, len(plain)))
    return _replace(plain, merge(spans)) if spans else cleaned


def _replace(text: bytes, spans: list[Span]) -> CleanBytes:
    kept = []
    place = 0
    for start, end in spans:
        kept += [text[place:start], PLACEHOLDER]
        place = end
    return CleanBytes(b"".join([*kept, text[place:]]))


_MARK: Final = re.escape(PLACEHOLDER)
_PUBLIC_AROUND_MARK: Final = re.compile(
    # Of some the word is kept in any case.
    b"(?:%b)(?=%b)"
    % (b"|".join(r.opener for r in SECRET_RULES if not r.pattern.groups), _MARK)
    + b"|(?<=%b)%b" % (_MARK, CLOSER)
)


def without_public_words(raw: bytes) -> bytes:
    """
    Take off the public words of secrets that stand around a placeholder.

    A secret that came in pieces keeps its word, one that came whole doesn't.
    """
    if PLACEHOLDER not in raw:
        return raw
    return _PUBLIC_AROUND_MARK.sub(b"", raw)


def unescape(raw: bytes) -> bytes:
    """
    Take the JSON escapes off all characters that secrets are made of.

    Returns the same object where there is none.
    """
    if BACKSLASH not in raw or (raw.find(b"\\/") < 0 and not _HIDDEN.search(raw)):
        # As in nearly every event.
        return raw
    return _ESCAPED.sub(_unescape, raw)


def _redact(match: re.Match[bytes]) -> bytes:
    kept: bytes = match[1] if match.lastindex else b""
    return kept + PLACEHOLDER


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"/"


def clean_text(text: str, secrets: Secrets) -> str:
    """Replace every secret, and bytes that were no UTF-8."""
    try:
        raw = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # JSON can spell half of a pair, which stands for no byte.
        raw = text.encode(errors="surrogatepass")
    return clean_bytes(raw, secrets).decode(errors="replace")


Span: TypeAlias = tuple[int, int]

_LONGEST_WHOLE_BYTES: Final = 8 * 1024
"""From here on a secret of a rule that goes on is not looked at as a whole."""

_LONGEST_CUT_BYTES: Final = 1024
"""No secret of a rule is longer, but for tokens and private keys."""

TELLING_BYTES: Final = 8
"""
How much of what is secret may stand at the end of a text: so much is hidden.

Ordinary words are as long, and less says little of a secret.
"""

_WORDS: Final = re.compile(
    # Also such as MyWord, with a number of up to three digits, or a number alone.
    rb"[^A-Za-z0-9]*+(?:(?:(?:[A-Z]?[a-z]++(?:[A-Z][a-z]{2,}+)*+|[A-Z]++)[0-9]{0,3}"
    rb"|[0-9]++)(?:[^A-Za-z0-9]++|\Z))*+"
)
"""What people write, and hardly any secret is made of by chance."""


def find_secrets(text: bytes, secrets: Secrets) -> list[Span]:
    """Return where the secrets are, in order; none overlaps another."""
    found: list[Span] = []
    spellings = secrets.known.spellings_in(text, has_run=has_long_run(text))
    if spellings:
        pattern = re.compile(b"|".join(map(re.escape, spellings)))
        found += [match.span() for match in pattern.finditer(text)]
    for rule in rules_in(text):
        for match in rule.pattern.finditer(text):
            start = match.end(1) if match.lastindex else match.start()
            found.append((start, match.end()))
    return merge(found)


def find_unsure(text: bytes, secrets: Secrets) -> int:
    """
    Return from where on the text may be the beginning of a secret, its length if
    nowhere.

    The public word with which one begins is not counted in.
    """
    unsure = len(text)
    for rule in rules_in(text):
        match = _find_begun(rule, text)
        if match is None:
            continue
        public = rule.public.match(text, match.start())
        if public is not None:
            unsure = min(unsure, public.end())
    unfinished = secrets.known.find_unfinished(text)
    return unsure if unfinished is None else min(unsure, unfinished)


def find_cut_off(text: bytes, secrets: Secrets, *, is_cut: bool) -> int | None:
    """
    Return where the secret begins that a text ends within, or None.

    Args:
        is_cut: The text broke off. One that is over was perhaps cut off as well, by
            whom it came from, but there what may be words are taken for some.
    """
    found = secrets.known.find_unfinished(text, shortest=TELLING_BYTES)
    unsure = len(text)
    for rule in rules_in(text):
        match = _find_begun(rule, text)
        if match is None:
            continue
        start = match.start()
        public = rule.public.match(text, start)
        told = public if is_cut else rule.public_if_cut.match(text, start)
        if public is None or told is None or len(text) - told.end() < TELLING_BYTES:
            continue
        if not is_cut and rule.may_be_words and _WORDS.fullmatch(text, told.end()):
            continue
        unsure = min(unsure, public.end())
    if unsure < len(text):
        return unsure if found is None else min(found, unsure)
    return found


def find_cut_strings(raw: bytes, rules: Iterable[SecretRule]) -> list[Span]:
    """
    Return where the secrets of some rules are that strings of JSON end within.
    """
    found: list[Span] = []
    for rule in rules:
        for opener in rule.public_if_cut.finditer(raw):
            end = raw.find(b'"', opener.end(), opener.end() + _LONGEST_CUT_BYTES)
            if end - opener.end() < TELLING_BYTES:
                continue
            begun = rule.partial.fullmatch(raw, opener.start(), end, partial=True)
            if begun is None or not begun.partial:
                continue
            if rule.may_be_words and _WORDS.fullmatch(raw, opener.end(), end):
                continue
            public = rule.public.match(raw, opener.start())
            if public is not None:
                found.append((public.end(), end))
    return merge(found)


def _find_begun(rule: SecretRule, text: bytes) -> regex.Match[bytes] | None:
    """Return what a text ends in that may become a secret of a rule."""
    match = rule.partial.search(text, partial=True)
    while match is not None and not match.partial:
        match = rule.partial.search(text, match.end(), partial=True)
    return match


def may_be_secret(text: bytes) -> bool:
    """
    Whether a text begins with a secret of a rule, or may be the beginning of one.
    """
    return any(
        rule.partial.match(text, partial=True) is not None for rule in rules_in(text)
    )


def find_endless(text: bytes, secrets: Secrets) -> list[re.Pattern[bytes]]:
    """Return how a secret may go on that the text ends in, if that can be for ever."""
    is_short = len(text) < _LONGEST_WHOLE_BYTES
    if is_short and secrets.known.find_unfinished(text) is not None:
        # One that is remembered may be longer, and of other characters.
        return []
    return [
        rule.more
        for rule in rules_in(text)
        if rule.more is not None
        and any(found.end() == len(text) for found in rule.pattern.finditer(text))
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


_HELD_BYTES: Final = 1024 * 1024
"""
How much of a body is held back at most. The largest answers of the API don't reach it.
"""

_LONGEST_SECRET_BYTES: Final = 32 * 1024
"""Kept back where nothing shows that no secret is being cut: a private key fits."""

Cleaned: TypeAlias = list[tuple[int, CleanBytes]]
"""Parts with their offsets in ns."""


class ChunksRedactor:
    """
    Takes secrets out of a body of chunks that have no framing, and leaves the chunks.

    Each is held back until a later one ends a line, because no secret goes on there.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._chunks: list[tuple[int, bytes]] = []
        self._held_bytes = 0

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take chunks that came at one time; returns those that are sure now."""
        chunks = self._chunks
        for raw in raws:
            chunks.append((offset_ns, raw))
            self._held_bytes += len(raw)
        if b"\n" in raws[-1]:
            # What follows its last line may still go on as a secret.
            return self._take(len(chunks) - (not raws[-1].endswith(b"\n")))
        if self._held_bytes > _HELD_BYTES:
            kept = 1
            while sum(len(raw) for _, raw in chunks[-kept:]) < _LONGEST_SECRET_BYTES:
                kept += 1
            return self._take(len(chunks) - kept)
        return []

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return bytes without secrets; a body without events leaves nothing over."""
        return clean_bytes(rest, self._secrets)

    def end(self) -> Cleaned:
        """Return what is still held."""
        return self._take(len(self._chunks), is_cut=True)

    def find_kinds(self) -> list[str]:
        """Name none: the text of such a body is looked at as a whole."""
        return []

    def _take(self, count: int, *, is_cut: bool = False) -> Cleaned:
        """Give back the first chunks, each with its share of the cleaned text."""
        text = b"".join(raw for _, raw in self._chunks)
        spans = find_secrets(text, self._secrets)
        start = find_cut_off(text, self._secrets, is_cut=True) if is_cut else None
        if start is not None:
            spans = merge([*spans, (start, len(text))])
        taken: Cleaned = []
        place = 0
        for offset_ns, raw in self._chunks[:count]:
            end = place + len(raw)
            taken.append((offset_ns, _cut_out(text, place, end, spans)))
            place = end
        del self._chunks[:count]
        self._held_bytes -= place
        return taken


def _cut_out(text: bytes, start: int, end: int, secrets: list[Span]) -> CleanBytes:
    """Return a part of a text; the place of a secret is in the part it begins in."""
    pieces = []
    for first, last in secrets:
        if first < end and last > start:
            pieces.append(text[start : max(first, start)])
            if first >= start:
                pieces.append(PLACEHOLDER)
            start = min(last, end)
    return CleanBytes(b"".join([*pieces, text[start:end]]))


class JsonRedactor:
    """Takes secrets out of a body of JSON, whose chunks it joins until it is whole."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = bytearray()
        self._offset_ns = 0

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take chunks that came at one time; returns what is sure now as one chunk."""
        self._offset_ns = offset_ns
        held = self._held
        held += b"".join(raws)
        if len(held) <= _HELD_BYTES:
            return []
        # No secret holds such a byte.
        cut = held.rfind(b'"') + 1
        return self._take(cut or len(held) - _LONGEST_SECRET_BYTES)

    def end(self) -> Cleaned:
        """Return what is still held."""
        self._held[:] = clean_cut(bytes(self._held), self._secrets)
        return self._take(len(self._held))

    def find_kinds(self) -> list[str]:
        """Name none: the text of such a body is not in pieces."""
        return []

    def _take(self, size: int) -> Cleaned:
        chunk = bytes(self._held[:size])
        del self._held[:size]
        if not chunk:
            return []
        return [(self._offset_ns, clean_strings(chunk, self._secrets))]
