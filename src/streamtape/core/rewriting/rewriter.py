"""
A cassette under today's redaction: its records in, the bytes of a new file out.

What holds no secret comes back as it was, to the byte. Frames of types that are not
known are kept, and so are notes, or left out if they hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.records import End, Header, Kind
from streamtape.core.format.writer import RecordWriter
from streamtape.core.matching.key import KEY_VERSION, request_key
from streamtape.core.model import Ending, Headers, Part, Request, Response
from streamtape.core.redaction.headers import (
    CleanRequest,
    clean_request,
    clean_response,
)
from streamtape.core.redaction.scan import Leak, find_kinds
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_bytes, clean_text
from streamtape.core.rewriting.body import Body, Rewritten, rewritten_body
from streamtape.core.rewriting.frames import (
    RecordFrames,
    clean_value,
    holds_secret,
    unknown_in,
)

_MOST_LEAKS: Final = 100

_NOT_KEPT: Final = "a value that is not kept"
_IN_PIECES: Final = "a secret that comes in pieces"
_UNKNOWN: Final = "a secret"


class Rewriter:
    """
    Writes one cassette anew without secrets.

    Feed it all records in their order, and call :meth:`finish` where the file stops
    without an END. Events keep their number, their order and their times; a body that
    is no event stream may be cut in other places after a secret.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.leaks: list[Leak] = []
        """What was taken out, the first hundred."""
        self.leak_count = 0
        """How much was taken out; with 0 the new file is the old one."""
        self._tape = RecordWriter()
        self._head: list[RecordFrames] = []
        self._body: Body | None = None
        self._part_word = "chunk"
        self._part_count = 0

    def feed(self, framed: RecordFrames) -> bytes:
        """Take the next record; returns what is sure now."""
        match framed.record:
            case Header():
                self._head.append(framed)
                return b""
            case Request() as request:
                return self._request(framed, request)
            case Response() as response:
                return self._response(framed, response)
            case End() as end:
                return self.finish() + self._end(framed, end)
        if self._body is not None:
            return self._pack(self._body.feed(framed))
        if self._head:
            # It stands between the HEADER and the REQUEST.
            self._head.append(framed)
            return b""
        return self._keep(framed) or b""

    def finish(self) -> bytes:
        """Return all that is still held."""
        body, self._body = self._body, None
        return b"" if body is None else self._pack(body.end())

    def end(self, ending: Ending, summary: dict[str, Any]) -> bytes:
        """
        Return all that is still held and an END of the caller's, with its trailer.
        """
        clean = replace(ending, detail=clean_text(ending.detail, self._secrets))
        return self.finish() + self._tape.end(
            clean, clean_value(summary, self._secrets)
        )

    def _request(self, framed: RecordFrames, request: Request) -> bytes:
        clean = clean_request(request, self._secrets)
        is_same = clean == request
        if not is_same:
            self._note_headers("request", request.headers, clean.headers)
            if clean.target != request.target:
                self._note(_NOT_KEPT, "the request's target", request.target)
            if clean.body != request.body:
                self._note(_NOT_KEPT, "the request's body", request.body)
        packed = [
            MAGIC,
            *(self._pack_head(each, clean, is_same) for each in self._head),
        ]
        self._head.clear()
        packed.append((is_same and self._keep(framed)) or self._tape.request(clean))
        return b"".join(packed)

    def _pack_head(
        self, framed: RecordFrames, request: CleanRequest, is_same: bool
    ) -> bytes:
        header = framed.record
        if not isinstance(header, Header):
            return self._keep(framed) or b""
        if is_same and (kept := self._keep(framed)):
            return kept
        if header.match is not None and not is_same:
            match = KEY_VERSION, bytes.fromhex(request_key(request))
            header = replace(header, match=match)
        if header.recorded_at is not None:
            recorded_at = clean_text(header.recorded_at, self._secrets)
            header = replace(header, recorded_at=recorded_at)
        return self._tape.header(header)

    def _response(self, framed: RecordFrames, response: Response) -> bytes:
        if response.is_event_stream:
            self._part_word = "event"
        self._body = rewritten_body(response, self._secrets)
        clean = clean_response(response, self._secrets)
        if (clean.reason, clean.headers) == (response.reason, response.headers):
            return self._keep(framed) or self._tape.response(clean)
        self._note_headers("response", response.headers, clean.headers)
        if clean.reason != response.reason:
            self._note(_NOT_KEPT, "the response's status", response.reason)
        return self._tape.response(clean)

    def _pack(self, rewritten: Iterable[Rewritten]) -> bytes:
        return b"".join(map(self._pack_one, rewritten))

    def _pack_one(self, rewritten: Rewritten) -> bytes:
        framed, raw = rewritten.framed, rewritten.raw
        if raw is None:
            return b"" if framed is None else self._keep(framed) or b""
        self._part_count += 1
        if framed is not None and isinstance(part := framed.record, Part):
            if raw == part.raw and (kept := self._keep(framed)):
                return kept
            if raw != part.raw:
                where = f"{self._part_word} {self._part_count}"
                self._note(_IN_PIECES, where, part.raw)
        return self._tape.parts(rewritten.offset_ns, [raw])

    def _end(self, framed: RecordFrames, end: End) -> bytes:
        summary = clean_value(end.summary, self._secrets)
        detail = clean_text(end.ending.detail, self._secrets)
        if detail != end.ending.detail or summary != end.summary:
            self._note(_NOT_KEPT, "the ending", f"{end.ending.detail} {end.summary}")
        # Its trailer says where a single frame begins.
        if (
            not self.leak_count
            and len(framed.frames) == 1
            and (kept := self._keep(framed))
        ):
            return kept
        return self._tape.end(replace(end.ending, detail=detail), summary)

    def _keep(self, framed: RecordFrames) -> bytes | None:
        """
        Return frames as they are, or None if there is a secret in what
        is not known of them.
        """
        payloads = [
            clean_bytes(frame.payload, self._secrets) for frame in framed.frames
        ]
        if b"".join(payloads) != framed.payload or holds_secret(
            unknown_in(framed), self._secrets
        ):
            self._note(_UNKNOWN, _place_of(framed), framed.payload)
            return None
        *others, last = zip(framed.frames, payloads, strict=True)
        packed = [self._tape.keep(frame, payload, None) for frame, payload in others]
        return b"".join([*packed, self._tape.keep(*last, framed.record)])

    def _note_headers(self, whose: str, headers: Headers, clean: Headers) -> None:
        kept = set(clean)
        for name, value in headers:
            if (name, value) not in kept:
                where = f"{whose} header {clean_text(name, self._secrets)}"
                self._note(_NOT_KEPT, where, value)

    def _note(self, otherwise: str, where: str, raw: str | bytes) -> None:
        if isinstance(raw, str):
            raw = raw.encode(errors="surrogateescape")
        for kind in find_kinds(raw, self._secrets) or [otherwise]:
            self.leak_count += 1
            if len(self.leaks) < _MOST_LEAKS:
                self.leaks.append(Leak(kind, where))


def _place_of(framed: RecordFrames) -> str:
    word = "a note" if framed.kind == Kind.NOTE else f"a frame of type {framed.kind}"
    return word if framed.record is not None else f"{word}, which was left out"
