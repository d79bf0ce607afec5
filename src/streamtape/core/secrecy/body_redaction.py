"""
The body of a response without its keys, also without those that come in pieces.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from copy import deepcopy
from dataclasses import dataclass
from operator import ne
from typing import Final, Protocol

from streamtape.core.model import Response, media_type
from streamtape.core.secrecy.holding import HeldText, TextPiece
from streamtape.core.secrecy.leaks import JoinedTexts
from streamtape.core.secrecy.redaction import (
    PLACEHOLDER,
    CleanBytes,
    clean_bytes,
    clean_json,
    clean_strings,
    unescape,
)
from streamtape.core.streams.deltas import (
    Delta,
    OrdinaryDeltas,
    Piece,
    find_begun,
    find_delta,
    find_ended,
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
        """
        Take parts that came whole at one time; returns those that are sure now.
        """

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """
        Return what a cut event stream left over without keys; call it before the end.
        """

    def end(self) -> Cleaned:
        """
        Return all that is still held.
        """

    def find_kinds(self) -> list[str]:
        """
        Name the kinds of key in the texts that were given back, joined.
        """


def body_redactor(response: Response) -> BodyRedactor:
    """
    Return what takes the keys out of the body of such a response.
    """
    if response.is_event_stream:
        return EventsRedactor()
    if _JSON.fullmatch(media_type(response.headers)):
        return _ChunksRedactor(cut_behind=b'"', until_bytes=_HELD_BYTES)
    return _ChunksRedactor(cut_behind=b"\n", until_bytes=0)


@dataclass(slots=True, eq=False)
class _Queued:
    """
    An event that is held, or stands behind one that is.
    """

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
        """
        Take events that came in one read; returns those that are sure now.
        """
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
        """
        Return the bytes behind the last whole event without keys.
        """
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
        """
        Return all events that are still held.
        """
        self._cut_texts()
        return self._take_decided()

    def find_kinds(self) -> list[str]:
        """
        Name the kinds of key in the texts that were given back, joined.
        """
        return self._joined.find_kinds()

    def _feed_text(self, piece: Piece) -> TextPiece | None:
        """
        Take one of the pieces of an event; None if it can have no part in a key.
        """
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
    """
    Whether some of what is cut off would be a key's if it went on with a text.
    """
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
        """
        Take chunks that came at one time; returns what is sure now as one chunk.
        """
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
        """
        Return bytes without keys; a body without events leaves nothing over.
        """
        return clean_bytes(rest)

    def end(self) -> Cleaned:
        """
        Return what is still held.
        """
        self._held[:] = _clean_cut(bytes(self._held))
        return self._take(len(self._held))

    def find_kinds(self) -> list[str]:
        """
        Name none: the text of such a body is not in pieces.
        """
        return []

    def _take(self, size: int) -> Cleaned:
        piece = bytes(self._held[:size])
        del self._held[:size]
        return [(self._offset_ns, self._clean(piece))] if piece else []

    def _clean(self, piece: bytes) -> CleanBytes:
        # Also where it is no JSON: what is escaped there is no less a key.
        return clean_strings(piece) if self._until_bytes else clean_bytes(piece)


def _clean_cut(raw: bytes) -> CleanBytes:
    """
    Return bytes without keys that may be cut off within one.
    """
    cleaned = clean_json(raw)
    plain = unescape(cleaned)
    held = HeldText()
    piece = held.feed(plain)
    held.end(is_cut=True)
    return cleaned if piece.cleaned == plain else CleanBytes(piece.cleaned)
