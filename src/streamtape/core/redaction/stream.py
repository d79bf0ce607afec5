"""
The body of a response without its secrets, also without those that come in pieces.

A piece is held back only while the text ends in what may become a key and is more
than the public word that keys begin with, so nothing is held of ordinary prose.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from copy import deepcopy
from dataclasses import dataclass, field
from operator import ne
from typing import Final, Protocol

from streamtape.core.messages.deltas import (
    Delta,
    OrdinaryDeltas,
    Piece,
    find_begun,
    find_delta,
    find_ended,
)
from streamtape.core.model import Response, media_type
from streamtape.core.redaction.rules import LONGEST_OPENER_BYTES
from streamtape.core.redaction.scan import JoinedTexts
from streamtape.core.redaction.secrets import get_beginnings
from streamtape.core.redaction.text import (
    PLACEHOLDER,
    CleanBytes,
    Span,
    clean_bytes,
    clean_json,
    clean_strings,
    find_cut_off,
    find_endless,
    find_keys,
    find_unsure,
    may_be_key,
    merge,
    unescape,
)

_HELD_BYTES: Final = 1024 * 1024
"""
How much of a body that is no event stream is held back at most.

A key could be split over two chunks. JSON is redacted whole up to this length,
which the largest answers of the API don't reach, and other bodies line by line.
"""

_LONGEST_KEY_BYTES: Final = 32 * 1024
"""Kept back where nothing shows that no key is being cut: a private key fits."""

_MOST_TEXTS: Final = 256
"""How many texts of a stream are told apart; no API has a tenth of it."""

_JSON: Final = re.compile(r"application/(.+\+)?json")

Cleaned = list[tuple[int, CleanBytes]]
"""Parts with their offsets in ns."""


class BodyRedactor(Protocol):
    """
    Takes the parts of a body in their order and gives them back without keys.

    Parts keep their number, their order and their offsets in an event stream; in
    other bodies they are joined as long as a key could be cut.
    """

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take parts that came whole at one time; returns those that are sure now."""

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """
        Return what a cut event stream left over without keys; call it before the end.
        """

    def end(self) -> Cleaned:
        """Return all that is still held."""

    def find_kinds(self) -> list[str]:
        """Name the kinds of key in the texts that were given back, joined."""


def body_redactor(response: Response) -> BodyRedactor:
    """Return what takes the keys out of the body of such a response."""
    if response.is_event_stream:
        return EventsRedactor()
    if _JSON.fullmatch(media_type(response.headers)):
        return _ChunksRedactor(cut_behind=b'"', until_bytes=_HELD_BYTES)
    return _ChunksRedactor(cut_behind=b"\n", until_bytes=0)


@dataclass(slots=True, eq=False)
class _Queued:
    """An event that is held, or stands behind one that is."""

    offset_ns: int
    raw: bytes
    delta: Delta | None = None
    pieces: tuple[TextPiece | None, ...] = ()
    """For each of the delta's pieces, in its order; None for one that stays."""

    @property
    def is_decided(self) -> bool:
        return all(piece is None or piece.is_decided for piece in self.pieces)


class EventsRedactor:
    """
    Takes keys out of events; each text that comes in deltas is looked at as a whole.

    An event whose text may be the beginning of a key is held back until the next
    ones show what it is, and so is all that comes behind it.
    """

    def __init__(self) -> None:
        self._texts: dict[Hashable, HeldText] = {}
        self._queue: deque[_Queued] = deque()
        self._ordinary = OrdinaryDeltas()
        self._joined = JoinedTexts()

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take events that came in one read; returns those that are sure now."""
        cleaned: Cleaned = []
        for raw in raws:
            if not self._queue and (ordinary := self._ordinary.find(raw)) is not None:
                # It has no part in a key, as nearly all.
                place, text, is_plain = ordinary
                held = self._texts.get(place)
                if held is not None and held.passes(text):
                    self._joined.feed(place, text)
                    clean = CleanBytes(raw) if is_plain else clean_json(raw)
                    cleaned.append((offset_ns, clean))
                    continue
            delta = find_delta(raw)
            if delta is None:
                self._queue.append(_Queued(offset_ns, raw))
            else:
                pieces = tuple(map(self._feed_text, delta.pieces))
                self._queue.append(_Queued(offset_ns, raw, delta, pieces))
            for place in find_ended(raw, self._texts):
                self._texts.pop(place).end()
            cleaned += self._take_decided()
        return cleaned

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return the bytes behind the last whole event without keys."""
        plain = unescape(rest)
        self._texts[None] = HeldText()
        for start, end in find_begun(plain):
            # It is no event that could be read: any text may go on with it, and also
            # a new one.
            text = plain[start:end]
            if any(_goes_on_with(held, text) for held in self._texts.values()):
                for held in self._texts.values():
                    held.feed(text)
                self._cut_texts()
                return CleanBytes(_clean_cut(plain[:start]) + PLACEHOLDER)
        self._cut_texts()
        return _clean_cut(rest)

    def end(self) -> Cleaned:
        """Return all events that are still held."""
        self._cut_texts()
        return self._take_decided()

    def find_kinds(self) -> list[str]:
        """Name the kinds of key in the texts that were given back, joined."""
        return self._joined.find_kinds()

    def _feed_text(self, piece: Piece) -> TextPiece | None:
        """Take one of the pieces of an event; None if it can have no part in a key."""
        held = self._texts.get(piece.place)
        if held is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._forget_texts()
            held = self._texts[piece.place] = HeldText()
        return None if held.passes(piece.text) else held.feed(piece.text)

    def _forget_texts(self) -> None:
        for place, held in list(self._texts.items()):
            if held.is_idle:
                del self._texts[place]
        if len(self._texts) >= _MOST_TEXTS:
            self._cut_texts()

    def _cut_texts(self) -> None:
        for text in self._texts.values():
            text.end(is_cut=True)
        self._texts.clear()

    def _take_decided(self) -> Cleaned:
        cleaned: Cleaned = []
        queue = self._queue
        while queue and queue[0].is_decided:
            queued = queue.popleft()
            cleaned.append((queued.offset_ns, self._clean(queued)))
        return cleaned

    def _clean(self, queued: _Queued) -> CleanBytes:
        delta = queued.delta
        if delta is None:
            return clean_json(queued.raw)
        raw = queued.raw
        texts = [
            piece.text if taken is None else taken.cleaned
            for piece, taken in zip(delta.pieces, queued.pieces, strict=True)
        ]
        for piece, text in zip(delta.pieces, texts, strict=True):
            self._joined.feed(piece.place, text)
        if any(map(ne, texts, (piece.text for piece in delta.pieces))):
            raw = delta.replaced(texts)
        return clean_json(raw)


def _goes_on_with(held: HeldText, text: bytes) -> bool:
    """Whether some of what is cut off would be a key's if it went on with a text."""
    tried = deepcopy(held)
    piece = tried.feed(text)
    tried.end(is_cut=True)
    return piece.cleaned != text


class _ChunksRedactor:
    """
    Takes keys out of a body that is cut only where no key can be.

    Args:
        cut_behind: A byte that no key holds.
        until_bytes: Nothing is cut before more than this is there.
    """

    def __init__(self, *, cut_behind: bytes, until_bytes: int) -> None:
        self._held = bytearray()
        self._offset_ns = 0
        self._cut_behind = cut_behind
        self._until_bytes = until_bytes

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take chunks that came at one time; returns what is sure now as one chunk."""
        self._offset_ns = offset_ns
        held = self._held
        held += b"".join(raws)
        if len(held) <= self._until_bytes:
            return []
        cut = held.rfind(self._cut_behind) + 1
        if not cut and len(held) > _HELD_BYTES:
            cut = len(held) - _LONGEST_KEY_BYTES
        return self._take(cut)

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return bytes without keys; a body without events leaves nothing over."""
        return clean_bytes(rest)

    def end(self) -> Cleaned:
        """Return what is still held."""
        self._held[:] = _clean_cut(bytes(self._held))
        return self._take(len(self._held))

    def find_kinds(self) -> list[str]:
        """Name none: the text of such a body is not in pieces."""
        return []

    def _take(self, size: int) -> Cleaned:
        piece = bytes(self._held[:size])
        del self._held[:size]
        return [(self._offset_ns, self._clean(piece))] if piece else []

    def _clean(self, piece: bytes) -> CleanBytes:
        # Also where it is no JSON: what is escaped there is no less a key.
        return clean_strings(piece) if self._until_bytes else clean_bytes(piece)


def _clean_cut(raw: bytes) -> CleanBytes:
    """Return bytes without keys that may be cut off within one."""
    cleaned = clean_json(raw)
    plain = unescape(cleaned)
    held = HeldText()
    piece = held.feed(plain)
    held.end(is_cut=True)
    return cleaned if piece.cleaned == plain else CleanBytes(piece.cleaned)


_KEPT_BYTES: Final = 80
"""How much of what is decided is kept: the first line of a private key is this long."""

_KEPT_AT_MOST_BYTES: Final = 512
"""So much of it may gather before the rest is forgotten, because that takes time."""

_OPEN_ESCAPE: Final = re.compile(rb"\\{1,4}(?:u(?:0(?:0[2-7]?)?)?)?\Z")
"""What an escape of JSON may begin with; there may be JSON in the text."""
_LONGEST_OPEN_BYTES: Final = 8
_MOST_SHARED: Final = 1024
"""How many pieces in a row may each share an escape with the next."""


@dataclass(slots=True, eq=False)
class _Unit:
    """One piece of the text, or several that share escapes; without them."""

    text: bytes
    written: list[bytes] = field(default_factory=list)
    """In order; all of it once the unit is decided."""
    is_decided: bool = False

    @property
    def cleaned(self) -> bytes:
        return b"".join(self.written)


@dataclass(slots=True, eq=False)
class TextPiece:
    """A piece of the text, and what may be written of it."""

    text: bytes
    unit: _Unit | None = None
    """None as long as it may end within an escape."""
    is_first: bool = True
    """Of its unit."""

    @property
    def is_decided(self) -> bool:
        """Whether it is sure what may be written."""
        return self.unit is not None and self.unit.is_decided

    @property
    def cleaned(self) -> bytes:
        """
        The piece without the keys; the place of one is in the piece it begins in.

        It stays as it is, with its escapes, if none of it belongs to a key.
        """
        if self.unit is None or self.unit.cleaned == self.unit.text:
            return self.text
        return self.unit.cleaned if self.is_first else b""


@dataclass(slots=True)
class _Waiting:
    unit: _Unit
    start: int
    end: int


class HeldText:
    """One text, and how far it is decided what of it may be written."""

    def __init__(self) -> None:
        self._text = b""  # The end of the text as it came: all that still matters.
        self._decided = 0  # How much of that is decided; all, where nothing is held.
        self._is_idle = True
        self._beginnings = get_beginnings()
        self._look_from = 0  # Before that no key begins that the text ends in.
        self._redacted_at = -1  # Where the key begins that the decided part ends in.
        self._more: list[re.Pattern[bytes]] = []  # How that key may go on for ever.
        self._waiting: list[_Waiting] = []
        self._open: list[TextPiece] = []  # Those that end within an escape.
        self._tail = b""  # The end of what these hold.

    def feed(self, text: bytes) -> TextPiece:
        """Take the next piece; pieces before it may be decided by that."""
        piece = TextPiece(text, is_first=not self._open)
        self._open.append(piece)
        self._is_idle = False
        self._tail = (self._tail + text)[-_LONGEST_OPEN_BYTES:]
        is_open = _OPEN_ESCAPE.search(self._tail)
        if not is_open or len(self._open) >= _MOST_SHARED:
            self._close()
        return piece

    def passes(self, text: bytes) -> bool:
        """Take the next piece if it can have no part in a key, as nearly always."""
        if not self._is_idle or (b"\\" in text and _needs_unescaping(text)):
            return False
        beginnings = get_beginnings()
        if beginnings is not self._beginnings:
            # What was nothing may be the beginning of what is a secret since then.
            self._beginnings = beginnings
            self._look_again()
        joined = self._text + text
        if beginnings.search(joined, self._look_from) is not None:
            return False
        size = len(joined)
        if size > _KEPT_AT_MOST_BYTES:
            joined = joined[-_KEPT_BYTES:]
            size = _KEPT_BYTES
        self._text = joined
        if size > beginnings.reach:
            self._look_from = size - beginnings.reach
        return True

    def _close(self) -> None:
        """Take the pieces that are open as one."""
        unit = _Unit(unescape(b"".join(piece.text for piece in self._open)))
        for piece in self._open:
            piece.unit = unit
        self._open.clear()
        self._tail = b""
        text = unit.text
        if self._more:
            text = self._skip(text)
            if self._more:
                unit.is_decided = True
                return
        self._is_idle = not self._is_within_key
        if self._is_idle:
            if self.passes(text):
                unit.written.append(text)
                unit.is_decided = True
                return
            # On its own, in its event, it is one, whatever word came before.
            self._keep(b"" if may_be_key(text) else self._text)
        start = len(self._text)
        self._text += text
        self._waiting.append(_Waiting(unit, start, len(self._text)))
        self._decide(find_keys(self._text), until=find_unsure(self._text))
        self._is_idle = not self._is_within_key

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held, and the text doesn't end in a key or an escape."""
        return self._is_idle

    @property
    def _is_within_key(self) -> bool:
        """Whether the next piece may belong to a key that has begun."""
        return bool(self._waiting) or self._redacted_at >= 0

    def end(self, *, is_cut: bool = False) -> None:
        """
        Decide all pieces: the text is over.

        Args:
            is_cut: It may have been cut off within a key.
        """
        if self._open:
            self._close()
        if not self._waiting:
            return
        text = self._text
        keys = find_keys(text)
        start = find_cut_off(text, is_cut=is_cut)
        if start is not None:
            keys.append((start, len(text)))
        self._decide(merge(keys), until=len(text))

    def _skip(self, text: bytes) -> bytes:
        """Return what stands in a text behind the key that goes on in it."""
        matches = (more.match(text) for more in self._more)
        size = max(match.end() for match in matches if match is not None)
        self._keep(self._text + text[:size])
        if size < len(text):
            self._more = []
            self._redacted_at = -1
        return text[size:]

    def _keep(self, text: bytes) -> None:
        """Forget all of the text but the end of it, which is decided."""
        self._text = text[-_KEPT_BYTES:]
        self._decided = len(self._text)
        self._look_again()

    def _look_again(self) -> None:
        self._look_from = max(0, len(self._text) - LONGEST_OPENER_BYTES)

    def _decide(self, keys: list[Span], *, until: int) -> None:
        """Decide the text up to a place, and forget what can't matter any more."""
        text = self._text
        place = self._decided
        redacted_at = -1
        is_held = until <= place < len(text) and self._redacted_at < 0
        if is_held and not any(end > place for _, end in keys):
            # As long as a piece is held, and that may be for thousands of them.
            return
        for start, end in keys:
            if end > place:
                self._write(text[place:start], place)
                place = max(place, start)
                if start != self._redacted_at:
                    self._write_placeholder(place)
                place = end
            if end == len(text):
                redacted_at = start
        until = max(until, place)
        self._write(text[place:until], place)
        self._decided = until
        self._redacted_at = redacted_at
        self._settle()

    def _write(self, text: bytes, place: int) -> None:
        """Give the units their shares of what stands at a place of the text."""
        for waiting in self._waiting:
            start = max(waiting.start, place)
            end = min(waiting.end, place + len(text))
            if start < end:
                waiting.unit.written.append(text[start - place : end - place])

    def _write_placeholder(self, place: int) -> None:
        for waiting in self._waiting:
            if waiting.start <= place < waiting.end:
                waiting.unit.written.append(PLACEHOLDER)
                return

    def _settle(self) -> None:
        for waiting in self._waiting:
            waiting.unit.is_decided = waiting.end <= self._decided
        self._waiting = [each for each in self._waiting if not each.unit.is_decided]
        if self._redacted_at >= 0 and (more := find_endless(self._text)):
            self._more = more
            self._keep(self._text)
            return
        kept_from = self._decided
        if self._redacted_at >= 0:
            kept_from = min(kept_from, self._redacted_at)
        cut = max(0, kept_from - _KEPT_BYTES)
        self._text = self._text[cut:]
        self._decided -= cut
        self._look_again()
        if self._redacted_at >= 0:
            self._redacted_at -= cut
        for waiting in self._waiting:
            waiting.start -= cut
            waiting.end -= cut


def _needs_unescaping(text: bytes) -> bool:
    """
    Whether there is an escape in a text that hides a character of a key, or half one.
    """
    if _OPEN_ESCAPE.search(text, max(0, len(text) - _LONGEST_OPEN_BYTES)):
        return True
    return unescape(text) is not text
