"""
The body of a response without its keys, also without those that come in pieces.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from streamtape.core.model import Response, media_type
from streamtape.core.secrecy.holding import HeldText, TextPiece
from streamtape.core.secrecy.leaks import JoinedTexts
from streamtape.core.secrecy.redaction import (
    PLACEHOLDER,
    CleanBytes,
    clean_bytes,
    clean_json,
    unescape,
)
from streamtape.core.streams.deltas import (
    Delta,
    find_begun,
    find_delta,
    find_ended,
    find_plain,
)

_HELD_BYTES: Final = 1024 * 1024
"""
How much of a body that is no event stream is held back at most.

A key could be split over two chunks. JSON is redacted whole up to this length,
which the largest answers of the API don't reach, and other bodies line by line.
"""

_LONGEST_KEY_BYTES: Final = 32 * 1024
"""Kept back where nothing shows that no key is being cut: a private key fits."""

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
    piece: TextPiece | None = None

    @property
    def is_decided(self) -> bool:
        return self.piece is None or self.piece.is_decided


class EventsRedactor:
    """
    Takes keys out of events; each text that comes in deltas is looked at as a whole.

    An event whose text may be the beginning of a key is held back until the next
    ones show what it is, and so is all that comes behind it.
    """

    def __init__(self) -> None:
        self._texts: dict[Hashable, HeldText] = {}
        self._queue: deque[_Queued] = deque()
        self._joined = JoinedTexts()

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """
        Take events that came in one read; returns those that are sure now.
        """
        cleaned: Cleaned = []
        for raw in raws:
            if not self._queue and (plain := find_plain(raw)) is not None:
                place, text = plain
                held = self._texts.get(place)
                if held is not None and held.passes(text):
                    self._joined.feed(place, text)
                    cleaned.append((offset_ns, CleanBytes(raw)))
                    continue
            delta = find_delta(raw)
            if delta is None:
                for place in find_ended(raw, self._texts):
                    self._texts.pop(place).end()
                self._queue.append(_Queued(offset_ns, raw))
            else:
                held = self._texts.get(delta.place)
                if held is None:
                    held = self._texts[delta.place] = HeldText()
                piece = held.feed(delta.text)
                self._queue.append(_Queued(offset_ns, raw, delta, piece))
            cleaned += self._take_decided()
        return cleaned

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """
        Return the bytes behind the last whole event without keys.
        """
        plain = unescape(rest)
        if (begun := find_begun(plain)) is not None:
            # It is no event that could be read: any text may go on with it, and also
            # a new one.
            start, end = begun
            text = plain[start:end]
            self._texts[None] = HeldText()
            pieces = [held.feed(text) for held in self._texts.values()]
            self._cut_texts()
            if any(piece.cleaned != text for piece in pieces):
                return CleanBytes(_clean_cut(plain[:start]) + PLACEHOLDER)
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
        delta, piece = queued.delta, queued.piece
        if delta is None or piece is None:
            return clean_json(queued.raw)
        text = piece.cleaned
        self._joined.feed(delta.place, text)
        raw = queued.raw if text == delta.text else delta.replaced(text)
        return clean_json(raw)


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
        return clean_json(piece) if self._until_bytes else clean_bytes(piece)


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
