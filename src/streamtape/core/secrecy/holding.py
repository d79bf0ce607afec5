"""
Keys in a text that comes piece by piece: found before their first piece is written.

A piece is held back only while the text ends in what may become a key and is more
than the public word that keys begin with, so nothing is held of ordinary prose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from streamtape.core.secrecy.key_spans import (
    Span,
    find_cut_off,
    find_endless,
    find_keys,
    find_unsure,
    may_be_key,
    merge,
)
from streamtape.core.secrecy.known_keys import LONGEST_OPENER_BYTES
from streamtape.core.secrecy.redaction import PLACEHOLDER, unescape
from streamtape.core.secrecy.secrets import get_beginnings

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
    """
    One piece of the text, or several that share escapes; without them.
    """

    text: bytes
    written: list[bytes] = field(default_factory=list)
    """In order; all of it once the unit is decided."""
    is_decided: bool = False

    @property
    def cleaned(self) -> bytes:
        return b"".join(self.written)


@dataclass(slots=True, eq=False)
class TextPiece:
    """
    A piece of the text, and what may be written of it.
    """

    text: bytes
    unit: _Unit | None = None
    """None as long as it may end within an escape."""
    is_first: bool = True
    """Of its unit."""

    @property
    def is_decided(self) -> bool:
        """
        Whether it is sure what may be written.
        """
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
    """
    One text, and how far it is decided what of it may be written.
    """

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
        """
        Take the next piece; pieces before it may be decided by that.
        """
        piece = TextPiece(text, is_first=not self._open)
        self._open.append(piece)
        self._is_idle = False
        self._tail = (self._tail + text)[-_LONGEST_OPEN_BYTES:]
        is_open = _OPEN_ESCAPE.search(self._tail)
        if not is_open or len(self._open) >= _MOST_SHARED:
            self._close()
        return piece

    def passes(self, text: bytes) -> bool:
        """
        Take the next piece if it can have no part in a key, as nearly always.
        """
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
        """
        Take the pieces that are open as one.
        """
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
        """
        Whether nothing is held, and the text doesn't end in a key or an escape.
        """
        return self._is_idle

    @property
    def _is_within_key(self) -> bool:
        """
        Whether the next piece may belong to a key that has begun.
        """
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
        """
        Return what stands in a text behind the key that goes on in it.
        """
        matches = (more.match(text) for more in self._more)
        size = max(match.end() for match in matches if match is not None)
        self._keep(self._text + text[:size])
        if size < len(text):
            self._more = []
            self._redacted_at = -1
        return text[size:]

    def _keep(self, text: bytes) -> None:
        """
        Forget all of the text but the end of it, which is decided.
        """
        self._text = text[-_KEPT_BYTES:]
        self._decided = len(self._text)
        self._look_again()

    def _look_again(self) -> None:
        self._look_from = max(0, len(self._text) - LONGEST_OPENER_BYTES)

    def _decide(self, keys: list[Span], *, until: int) -> None:
        """
        Decide the text up to a place, and forget what can't matter any more.
        """
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
        """
        Give the units their shares of what stands at a place of the text.
        """
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
