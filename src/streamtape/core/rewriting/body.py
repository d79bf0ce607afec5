"""
The body of a cassette without its secrets, each part beside the frames that it was.

A part may be held back until later ones show what it is; whatever stands between
them waits with it, so that all keeps its order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from streamtape.core.messages.grammar import is_whole_event
from streamtape.core.model import Part, Response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.stream import body_redactor
from streamtape.core.redaction.text import CleanBytes, Cleaned, clean_bytes
from streamtape.core.rewriting.frames import RecordFrames


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A part as it may be written, or frames that are none."""

    framed: RecordFrames | None
    """What it was; None for a chunk that was cut anew."""
    offset_ns: int = 0
    raw: CleanBytes | None = None
    """None for what is no part."""


class Body(Protocol):
    """Takes all records after the RESPONSE and gives them back in their order."""

    def feed(self, framed: RecordFrames) -> Iterator[Rewritten]:
        """Take the next record; yields what is sure now."""

    def end(self) -> Iterator[Rewritten]:
        """Yield all that is still held."""


def rewritten_body(response: Response, secrets: Secrets) -> Body:
    """Return what takes the secrets out of the parts of such a response."""
    kind = _Events if response.is_event_stream else _Chunks
    return kind(response, secrets)


class _Events:
    """Each event comes back as one."""

    def __init__(self, response: Response, secrets: Secrets) -> None:
        self._secrets = secrets
        self._redactor = body_redactor(response, secrets)
        self._waiting: deque[RecordFrames] = deque()
        self._unfinished: Part | None = None

    def feed(self, framed: RecordFrames) -> Iterator[Rewritten]:
        self._waiting.append(framed)
        cleaned: Cleaned = []
        if isinstance(part := framed.record, Part):
            cleaned += self._feed_unfinished()
            if is_whole_event(part.raw):
                cleaned += self._redactor.feed(part.offset_ns, [part.raw])
            else:
                # Only the last may be what a cut left over.
                self._unfinished = part
        return self._take(cleaned)

    def end(self) -> Iterator[Rewritten]:
        part, self._unfinished = self._unfinished, None
        if part is None:
            return self._take(self._redactor.end())
        rest = self._redactor.clean_rest(part.raw)
        return self._take([*self._redactor.end(), (part.offset_ns, rest)])

    def _feed_unfinished(self) -> Cleaned:
        part, self._unfinished = self._unfinished, None
        return [] if part is None else self._redactor.feed(part.offset_ns, [part.raw])

    def _take(self, cleaned: Cleaned) -> Iterator[Rewritten]:
        waiting = self._waiting
        for offset_ns, raw in cleaned:
            yield from self._take_others()
            yield Rewritten(waiting.popleft(), offset_ns, raw)
        yield from self._take_others()

    def _take_others(self) -> Iterator[Rewritten]:
        while self._waiting and not isinstance(self._waiting[0].record, Part):
            yield Rewritten(self._waiting.popleft())


class _Chunks:
    """Chunks come back as they were up to the first secret, and after it cut anew."""

    def __init__(self, response: Response, secrets: Secrets) -> None:
        self._secrets = secrets
        self._redactor = body_redactor(response, secrets)
        self._waiting: deque[RecordFrames] = deque()
        self._same_bytes = 0
        """How much of the first waiting chunk has come back as it was."""
        self._is_same = True

    def feed(self, framed: RecordFrames) -> Iterator[Rewritten]:
        cleaned: Cleaned = []
        if isinstance(part := framed.record, Part):
            cleaned = self._redactor.feed(part.offset_ns, [part.raw])
        elif not self._is_same:
            yield Rewritten(framed)
        if self._is_same:
            self._waiting.append(framed)
        yield from self._take(cleaned)

    def end(self) -> Iterator[Rewritten]:
        yield from self._take(self._redactor.end())

    def _take(self, cleaned: Cleaned) -> Iterator[Rewritten]:
        for offset_ns, raw in cleaned:
            if self._is_same:
                yield from self._compare(offset_ns, raw)
            else:
                yield Rewritten(None, offset_ns, raw)
        if self._is_same:
            yield from self._take_others()

    def _compare(self, offset_ns: int, raw: CleanBytes) -> Iterator[Rewritten]:
        at = 0
        while at < len(raw):
            yield from self._take_others()
            framed = self._waiting[0]
            part = framed.record
            assert isinstance(part, Part)
            size = min(len(raw) - at, len(part.raw) - self._same_bytes)
            same = part.raw[self._same_bytes : self._same_bytes + size]
            if raw[at : at + size] != same:
                break
            at += size
            self._same_bytes += size
            if self._same_bytes == len(part.raw):
                self._same_bytes = 0
                self._waiting.popleft()
                yield Rewritten(
                    framed, part.offset_ns, clean_bytes(part.raw, self._secrets)
                )
        else:
            return
        self._is_same = False
        # The first one tells where it was: it is not what it was any more.
        rest = clean_bytes(part.raw[: self._same_bytes] + raw[at:], self._secrets)
        yield Rewritten(framed, offset_ns, rest)
        for framed in self._waiting:
            if not isinstance(framed.record, Part):
                yield Rewritten(framed)
        self._waiting.clear()

    def _take_others(self) -> Iterator[Rewritten]:
        """Yield what is no part, or an empty one, and is not after anything else."""
        while self._waiting:
            part = self._waiting[0].record
            if not isinstance(part, Part):
                yield Rewritten(self._waiting.popleft())
            elif not part.raw:
                framed = self._waiting.popleft()
                yield Rewritten(framed, part.offset_ns, CleanBytes())
            else:
                return
