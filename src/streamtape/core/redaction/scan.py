"""
A second look for secrets: at what was written, and at joined texts with no escapes.

The redactor works event by event while a stream runs. This knows nothing of how it
does, so that it finds what was missed, and what older cassettes hold.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamtape.core.messages.deltas import (
    AnyEvent,
    EventReader,
    find_deltas,
    read_event,
)
from streamtape.core.model import Ending, Headers, Part, Request, Response
from streamtape.core.redaction.headers import clean_request, clean_response
from streamtape.core.redaction.rules import find_runs, rules_in
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_json, clean_text, unescape
from streamtape.core.stream_formats import StreamFormat, StreamSplitter

_LOOKED_AT_BYTES: Final = 256 * 1024
_OVERLAP_BYTES: Final = 20 * 1024
"""Longer than any secret but a private key, whose first line tells it."""
_MOST_TEXTS: Final = 256
_MOST_LEAKS: Final = 100

SEEN: Final = "a secret of this run"
"""A kind: what was remembered."""


@dataclass(frozen=True, slots=True)
class Leak:
    """
    A secret where none may be. Says nothing of the secret itself.
    """

    kind: str
    """With its article: ``an Anthropic key``."""
    where: str
    """Within the cassette: ``request header x-api-key``, ``event 12``."""

    def __str__(self) -> str:
        return f"{self.kind} in {self.where}"


def find_kinds(raw: bytes, secrets: Secrets) -> list[str]:
    """Name the kinds of secret in some bytes, as they stand and without escapes."""
    found: dict[str, None] = {}
    plain = unescape(raw)
    for read in (raw,) if plain is raw else (raw, plain):
        near = find_runs(read)
        if secrets.known.spellings_in(read, has_run=bool(near)):
            found[SEEN] = None
        for rule in rules_in(near):
            if rule.pattern.search(near):
                found[rule.name] = None
    return list(found)


class RawScanner:
    """Looks at the bytes of a whole file, block by block, whatever they mean."""

    def __init__(self, secrets: Secrets) -> None:
        self.kinds: list[str] = []
        """Kinds of secret that were found so far, each once."""
        self._secrets = secrets
        self._tail = b""

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the file."""
        data = self._tail + block
        new = [
            kind for kind in find_kinds(data, self._secrets) if kind not in self.kinds
        ]
        self.kinds += new
        self._tail = data[-_OVERLAP_BYTES:]


class JoinedTexts:
    """Looks at texts that come in pieces, of any length, in bounded memory."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._texts: dict[Hashable, list[bytes]] = {}
        self._size = 0
        self._kinds: dict[str, None] = {}

    def feed(self, place: Hashable, text: bytes) -> None:
        """Take what comes next of one of the texts."""
        pieces = self._texts.get(place)
        if pieces is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._look()
                self._texts.clear()
            pieces = self._texts[place] = []
        pieces.append(text)
        self._size += len(text)
        if self._size > _LOOKED_AT_BYTES:
            self._look()

    def find_kinds(self) -> list[str]:
        """Name the kinds of secret that were found in all texts so far."""
        self._look()
        return list(self._kinds)

    def _look(self) -> None:
        self._size = 0
        for pieces in self._texts.values():
            text = b"".join(pieces)
            self._kinds |= dict.fromkeys(find_kinds(text, self._secrets))
            pieces[:] = [text[-_OVERLAP_BYTES:]]


class LeakScanner:
    """Looks at all that a cassette says, record by record, in bounded memory."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._leaks: dict[Leak, None] = {}
        self._joined = JoinedTexts(secrets)
        self._reader = EventReader()
        self._parts = 0
        self._is_stream = False
        self._splitter = StreamSplitter(StreamFormat.NONE)

    def request(self, request: Request) -> None:
        """Look at the request: all that would be redacted today is a leak."""
        clean = clean_request(request, self._secrets)
        self._headers("request", request.headers, clean.headers)
        if clean.target != request.target:
            self._add(request.target.encode(errors="replace"), "the request's target")
        if clean.body != request.body:
            self._add(request.body, "the request's body")

    def response(self, response: Response) -> None:
        """Look at the head of the response."""
        self._is_stream = response.is_event_stream
        self._splitter = StreamSplitter(response.stream_format)
        clean = clean_response(response, self._secrets)
        self._headers("response", response.headers, clean.headers)
        if clean.reason != response.reason:
            self._add(response.reason.encode(errors="replace"), "the response's status")

    def part(self, part: Part) -> AnyEvent | None:
        """Look at an event or a chunk; returns what the event says."""
        self._parts += 1
        if clean_json(part.raw, self._secrets) != part.raw:
            word = "event" if self._is_stream else "chunk"
            self._add(part.raw, f"{word} {self._parts}")
        if not self._is_stream:
            self._chunk(part.raw)
            return None
        event = self._reader.read(part.raw)
        for place, text in find_deltas(event):
            self._joined.feed(place, text)
        return event

    def _chunk(self, raw: bytes) -> None:
        """Look at what comes in chunks as a whole, and at the texts in its events."""
        self._joined.feed("chunks", raw)
        for event in self._splitter.feed(raw):
            read = read_event(event, self._splitter.stream_format)
            for place, text in find_deltas(read) if read.is_json else ():
                self._joined.feed(place, text)

    def end(self, ending: Ending, summary: Mapping[str, Any]) -> None:
        """Look at what stands in the ending, and at the summary beside it."""
        for said in (ending.detail, repr(summary)):
            if clean_text(said, self._secrets) != said:
                self._add(said.encode(errors="replace"), "the ending")

    def leaks(self) -> list[Leak]:
        """Return what was found, the first hundred, in the order of the file."""
        found = dict(self._leaks)
        said = {leak.kind for leak in found}
        for kind in self._joined.find_kinds():
            if kind not in said:
                found[Leak(kind, "a text that comes in pieces")] = None
        return list(found)

    def _headers(self, whose: str, headers: Headers, clean: Headers) -> None:
        kept = set(clean)
        for name, value in headers:
            if (name, value) not in kept:
                where = f"{whose} header {clean_text(name, self._secrets)}"
                self._add(value.encode(errors="surrogateescape"), where)

    def _add(self, raw: bytes, where: str) -> None:
        for kind in find_kinds(raw, self._secrets) or ["a value that is not kept"]:
            if len(self._leaks) < _MOST_LEAKS:
                self._leaks[Leak(kind, where)] = None
