"""
The body of a response without its secrets, also without those that come in pieces.

A text that may go on as a secret is held back, and with it whatever comes after it,
until it is decided what it is. The public word that secrets begin with is not enough
for that, so nothing is held of ordinary prose.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from streamtape.core.messages.deltas import (
    BACKSLASH,
    AnyEvent,
    Event,
    EventReader,
    TextDelta,
    find_begun,
    find_deltas,
    find_ended,
    read_data,
    read_event,
    replace_data,
    replace_texts,
)
from streamtape.core.model import Response
from streamtape.core.redaction.rules import LONGEST_OPENER_BYTES
from streamtape.core.redaction.scan import JoinedTexts
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import (
    PLACEHOLDER,
    ChunksRedactor,
    CleanBytes,
    Cleaned,
    JsonRedactor,
    Span,
    clean_bytes,
    clean_cut,
    clean_json,
    find_cut_off,
    find_endless,
    find_secrets,
    find_unsure,
    may_be_secret,
    merge,
    unescape,
)
from streamtape.core.stream_formats import (
    StreamFormat,
    is_array,
    payload_of,
    splitter_of,
    with_payload,
)

_MOST_TEXTS: Final = 256
"""How many texts of a stream are told apart; no API has a tenth of it."""

Watch: TypeAlias = Callable[[Event], object]


@dataclass(slots=True, eq=False)
class _HeldEvent:
    """An event that is held, or comes after one that is."""

    offset_ns: int
    raw: bytes
    event: AnyEvent
    deltas: list[TextDelta]
    pending: list[PendingText | None]
    """For each of the deltas; None for one that stays as it is."""

    @property
    def is_decided(self) -> bool:
        return all(each is None or each.is_decided for each in self.pending)


class EventsRedactor:
    """
    Takes secrets out of events; each text that comes in deltas is looked at as a whole.

    An event whose text may be the beginning of a secret is held back until the next
    ones show what it is, and so is all that comes after it.

    Args:
        watch: As for :func:`body_redactor`.
    """

    def __init__(self, secrets: Secrets, *, watch: Watch | None = None) -> None:
        self._secrets = secrets
        self._watch = watch
        self._read: Callable[[bytes], AnyEvent] = EventReader().read
        self._texts: dict[Hashable, HeldText] = {}
        self._held: deque[_HeldEvent] = deque()
        self._joined = JoinedTexts(secrets)

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take events that came in one read; returns those that are sure now."""
        cleaned: Cleaned = []
        for raw in raws:
            event = self._read(raw)
            if isinstance(event, tuple) and not self._held:
                place, added = event
                text = self._texts.get(place)
                if text is not None and text.passes(added):
                    # It has no part in a secret, as nearly all.
                    is_plain = BACKSLASH not in raw
                    clean = CleanBytes(raw) if is_plain else self._clean_json(raw)
                    cleaned.append((offset_ns, clean))
                    self._joined.feed(place, added)
                    continue
            self._hold(offset_ns, raw, event)
            cleaned += self._take_decided()
        return cleaned

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return the bytes after the last whole event without secrets."""
        plain = unescape(rest)
        # It is no event that could be read: any text may go on with it, and also a
        # new one.
        texts = [*self._texts.values(), HeldText(self._secrets)]
        for start, end in find_begun(plain):
            if any(text.would_hide(plain[start:end]) for text in texts):
                for text in self._texts.values():
                    text.feed(plain[start:end])
                self._cut_texts()
                before = clean_cut(plain[:start], self._secrets)
                return CleanBytes(before + PLACEHOLDER)
        self._cut_texts()
        return clean_cut(rest, self._secrets)

    def end(self) -> Cleaned:
        """Return all events that are still held."""
        self._cut_texts()
        return self._take_decided()

    def find_kinds(self) -> list[str]:
        """Name the kinds of secret in the texts that were given back, joined."""
        return self._joined.find_kinds()

    def _hold(self, offset_ns: int, raw: bytes, event: AnyEvent) -> None:
        deltas = find_deltas(event)
        pending = [self._feed_text(delta) for delta in deltas]
        self._held.append(_HeldEvent(offset_ns, raw, event, deltas, pending))
        if isinstance(event, Event):
            for place in find_ended(event, self._texts):
                self._texts.pop(place).end()

    def _feed_text(self, delta: TextDelta) -> PendingText | None:
        """Take what is added to a text; None if it can have no part in a secret."""
        place, added = delta
        text = self._texts.get(place)
        if text is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._make_room()
            text = self._texts[place] = HeldText(self._secrets)
        return None if text.passes(added) else text.feed(added)

    def _make_room(self) -> None:
        texts = self._texts.items()
        self._texts = {place: text for place, text in texts if not text.is_idle}
        if len(self._texts) >= _MOST_TEXTS:
            self._cut_texts()

    def _cut_texts(self) -> None:
        for text in self._texts.values():
            text.end(is_cut=True)
        self._texts.clear()

    def _take_decided(self) -> Cleaned:
        cleaned: Cleaned = []
        while self._held and self._held[0].is_decided:
            held = self._held.popleft()
            cleaned.append((held.offset_ns, self._clean(held)))
        return cleaned

    def _clean(self, held: _HeldEvent) -> CleanBytes:
        raw = held.raw
        deltas = [
            (place, added if pending is None else pending.cleaned)
            for (place, added), pending in zip(held.deltas, held.pending, strict=True)
        ]
        if deltas != held.deltas:
            raw = self._replace(held, [text for _, text in deltas])
        clean = self._clean_json(raw)
        for place, text in deltas:
            self._joined.feed(place, text)
        if self._watch is not None and isinstance(held.event, Event):
            event = held.event if clean == held.raw else self._read(clean)
            if isinstance(event, Event):
                self._watch(event)
        return clean

    def _replace(self, held: _HeldEvent, texts: list[bytes]) -> bytes:
        return replace_texts(held.raw, texts)

    def _clean_json(self, raw: bytes) -> CleanBytes:
        return clean_json(raw, self._secrets)


class StreamRedactor(EventsRedactor):
    """The same for streams of other formats, whose events it finds in the chunks."""

    def __init__(
        self, secrets: Secrets, stream_format: StreamFormat, *, watch: Watch | None
    ) -> None:
        super().__init__(secrets, watch=watch)
        self._format = stream_format
        self._splitter = splitter_of(stream_format)
        self._read = self._read_other
        self._offset_ns = 0

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take chunks that came at one time; returns the events that are sure now."""
        self._offset_ns = offset_ns
        events = [event for raw in raws for event in self._splitter.feed(raw)]
        return super().feed(offset_ns, events)

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return bytes without secrets; what is no whole event is held here."""
        return clean_bytes(rest, self._secrets)

    def end(self) -> Cleaned:
        """Return all events that are still held, and what may be none."""
        rest = self._splitter.rest
        if not rest:
            return super().end()
        payload = payload_of(rest, self._format).decode(errors="replace")
        if payload in ("", "]") or read_data(payload).is_json:
            # The end of an array, or a last line that no line end follows.
            return [*super().feed(self._offset_ns, [rest]), *super().end()]
        clean = super().clean_rest(rest)
        return [*super().end(), (self._offset_ns, clean)]

    def _read_other(self, raw: bytes) -> AnyEvent:
        event = read_event(raw, self._format)
        # What is no JSON is a text of its own, and not a piece of one.
        return event if event.is_json else Event(event.name, None)

    def _replace(self, held: _HeldEvent, texts: list[bytes]) -> bytes:
        assert isinstance(held.event, Event)
        payload = replace_data(held.event, texts)
        return with_payload(held.raw, payload, self._format)

    def _clean_json(self, raw: bytes) -> CleanBytes:
        payload = payload_of(raw, self._format)
        clean = clean_json(payload, self._secrets)
        if clean != payload:
            raw = with_payload(raw, clean, self._format)
        # There may be one in the wrapping too, whatever becomes of the event.
        return clean_bytes(raw, self._secrets)


class ArrayRedactor:
    """JSON: an array that comes in elements, or anything else, which is one chunk."""

    def __init__(self, secrets: Secrets, *, watch: Watch | None) -> None:
        self._secrets = secrets
        self._watch = watch
        self._blank = b""
        self._offset_ns = 0
        self._inner: StreamRedactor | JsonRedactor | None = None

    def feed(self, offset_ns: int, raws: list[bytes]) -> Cleaned:
        """Take chunks that came at one time; returns what is sure now."""
        if self._inner is None:
            raws = [self._blank + b"".join(raws)]
            self._blank, self._offset_ns = raws[0], offset_ns
            if self._blank.isspace() or not self._blank:
                return []
            self._inner = (
                StreamRedactor(self._secrets, StreamFormat.ARRAY, watch=self._watch)
                if is_array(self._blank)
                else JsonRedactor(self._secrets)
            )
        return self._inner.feed(offset_ns, raws)

    def clean_rest(self, rest: bytes) -> CleanBytes:
        """Return bytes without secrets; what is no whole element is held here."""
        return clean_bytes(rest, self._secrets)

    def end(self) -> Cleaned:
        """Return what is still held."""
        if self._inner is not None:
            return self._inner.end()
        blank = CleanBytes(self._blank)
        return [(self._offset_ns, blank)] if blank else []

    def find_kinds(self) -> list[str]:
        """Name the kinds of secret in the texts that were given back, joined."""
        return [] if self._inner is None else self._inner.find_kinds()


BodyRedactor: TypeAlias = EventsRedactor | ArrayRedactor | ChunksRedactor


def body_redactor(
    response: Response, secrets: Secrets, *, watch: Watch | None = None
) -> BodyRedactor:
    """
    Return what takes the secrets out of the body of such a response.

    Args:
        watch: Is given what each event says that is given back, but for ordinary
            deltas, which add to a text and do nothing else; None for nobody.
    """
    if response.is_event_stream:
        return EventsRedactor(secrets, watch=watch)
    match response.stream_format:
        case StreamFormat.NONE:
            return ChunksRedactor(secrets)
        case StreamFormat.ARRAY:
            return ArrayRedactor(secrets, watch=watch)
        case stream_format:
            return StreamRedactor(secrets, stream_format, watch=watch)


_KEPT_BYTES: Final = 80
"""How much of what is decided is kept: the first line of a private key is this long."""

_KEPT_AT_MOST_BYTES: Final = 512
"""So much of it may gather before the rest is forgotten, because that takes time."""

_OPEN_ESCAPE: Final = re.compile(rb"\\{1,4}(?:u(?:0(?:0[2-7]?)?)?)?\Z")
"""What an escape of JSON may begin with; there may be JSON in the text."""
_LONGEST_OPEN_BYTES: Final = 8
_MOST_SHARED: Final = 1024
"""How many deltas in a row may each share an escape with the next."""


@dataclass(slots=True, eq=False)
class PendingText:
    """What one delta adds to a text, and what may be written of it."""

    text: bytes
    leader: PendingText | None = None
    """The first of those with which it shares an escape; None if it is that itself."""
    plain: bytes = b""
    """Without escapes, and with all that it leads."""
    start: int = 0
    """Where that begins in what its text keeps."""
    end: int = 0
    written: list[bytes] = field(default_factory=list)
    """What may be written of it, in order; all of it once that is decided."""
    is_written: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether it is sure what may be written."""
        return (self.leader or self).is_written

    @property
    def cleaned(self) -> bytes:
        """
        The text without the secrets; the place of one is in the delta it begins in.

        It stays as it is, with its escapes, if none of it belongs to a secret.
        """
        leader = self.leader or self
        written = b"".join(leader.written)
        if not leader.is_written or written == leader.plain:
            return self.text
        return written if leader is self else b""


class HeldText:
    """One text, and how far it is decided what of it may be written."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._text = b""  # The end of the text as it came: all that still matters.
        self._decided = 0  # How much of that is decided; all, where nothing is held.
        self._beginnings = secrets.known.beginnings
        self._look_from = 0  # Before that no secret begins that the text ends in.
        self._redacted_at = -1  # Where the secret begins that the decided part ends in.
        self._more: list[re.Pattern[bytes]] = []  # How that may go on for ever.
        self._waiting: list[PendingText] = []
        self._open: list[PendingText] = []  # Those that end within an escape.
        self._tail = b""  # The end of what these hold.

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held, and it doesn't end in a secret or an escape."""
        return not (self._open or self._waiting or self._redacted_at >= 0)

    def passes(self, text: bytes) -> bool:
        """Take what is added if it can have no part in a secret, as nearly always."""
        if self._open or self._waiting or self._redacted_at >= 0:
            return False
        if BACKSLASH in text and _needs_unescaping(text):
            return False
        beginnings = self._secrets.known.beginnings
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

    def feed(self, text: bytes) -> PendingText:
        """Take what is added; what was added before may be decided by that."""
        pending = PendingText(text, self._open[0] if self._open else None)
        self._open.append(pending)
        self._tail = (self._tail + text)[-_LONGEST_OPEN_BYTES:]
        if not _OPEN_ESCAPE.search(self._tail) or len(self._open) >= _MOST_SHARED:
            self._close()
        return pending

    def would_hide(self, text: bytes) -> bool:
        """Whether some of a text would be a secret's if it came next and broke off."""
        tried = deepcopy(self, {id(self._secrets): self._secrets})
        pending = tried.feed(text)
        tried.end(is_cut=True)
        return pending.cleaned != text

    def end(self, *, is_cut: bool = False) -> None:
        """
        Decide all: the text is over.

        Args:
            is_cut: It may have been cut off within a secret.
        """
        if self._open:
            self._close()
        if not self._waiting:
            return
        text = self._text
        spans = find_secrets(text, self._secrets)
        start = find_cut_off(text, self._secrets, is_cut=is_cut)
        if start is not None:
            spans.append((start, len(text)))
        self._decide(merge(spans), until=len(text))

    def _close(self) -> None:
        """Take those that are open as one."""
        leader = self._open[0]
        text = leader.plain = unescape(b"".join(each.text for each in self._open))
        self._open.clear()
        self._tail = b""
        if self._more:
            text = self._skip(text)
            if self._more:
                leader.is_written = True
                return
        if self.is_idle:
            if self.passes(text):
                leader.written.append(text)
                leader.is_written = True
                return
            # On its own, in its event, it is one, whatever word came before.
            self._keep(b"" if may_be_secret(text) else self._text)
        leader.start = len(self._text)
        self._text += text
        leader.end = len(self._text)
        self._waiting.append(leader)
        spans = find_secrets(self._text, self._secrets)
        self._decide(spans, until=find_unsure(self._text, self._secrets))

    def _skip(self, text: bytes) -> bytes:
        """Return what stands in a text after the secret that goes on in it."""
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

    def _decide(self, spans: list[Span], *, until: int) -> None:
        """
        Decide the text up to a place, and forget what can't matter any more.

        Args:
            spans: Where its secrets are.
        """
        text = self._text
        place = self._decided
        is_held = until <= place < len(text) and self._redacted_at < 0
        if is_held and not any(end > place for _, end in spans):
            # As long as it is held, and that may be for thousands of deltas.
            return
        redacted_at = -1
        for start, end in spans:
            if end > place:
                self._write(place, start)
                place = max(place, start)
                if start != self._redacted_at:
                    self._write_placeholder(place)
                place = end
            if end == len(text):
                redacted_at = start
        until = max(until, place)
        self._write(place, until)
        self._decided = until
        self._redacted_at = redacted_at
        self._settle()

    def _write(self, start: int, end: int) -> None:
        """Give each that is waiting its share of a part of the text."""
        for pending in self._waiting:
            share = self._text[max(pending.start, start) : min(pending.end, end)]
            if share:
                pending.written.append(share)

    def _write_placeholder(self, place: int) -> None:
        for pending in self._waiting:
            if pending.start <= place < pending.end:
                pending.written.append(PLACEHOLDER)
                return

    def _settle(self) -> None:
        for pending in self._waiting:
            pending.is_written = pending.end <= self._decided
        self._waiting = [each for each in self._waiting if not each.is_written]
        if self._redacted_at >= 0:
            self._more = find_endless(self._text, self._secrets)
            if self._more:
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
        for pending in self._waiting:
            pending.start -= cut
            pending.end -= cut


def _needs_unescaping(text: bytes) -> bool:
    """
    Whether an escape in a text hides a character of a secret, or is cut off.
    """
    if _OPEN_ESCAPE.search(text, max(0, len(text) - _LONGEST_OPEN_BYTES)):
        return True
    return unescape(text) is not text
