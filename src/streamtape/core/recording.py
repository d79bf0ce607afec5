"""
One interaction on its way to a cassette: chunks and times in, bytes of a file out.

No file is written here. The caller stamps each chunk, hands it to the client, and
only then calls :meth:`Recording.feed`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from streamtape.core.frames import MAGIC
from streamtape.core.matching import KEY_VERSION
from streamtape.core.messages import StreamSummary
from streamtape.core.model import Ending, EndReason, Response, media_type
from streamtape.core.records import Header
from streamtape.core.redaction import (
    CleanBytes,
    CleanRequest,
    clean_bytes,
    clean_response,
    clean_text,
)
from streamtape.core.sse import EventSplitter
from streamtape.core.tape import TapeWriter

_HELD_BYTES: Final = 1024 * 1024
"""
How much of a body that is no event stream is held back at most.

A key could be split over two chunks. JSON is redacted whole up to this length,
which the largest answers of the API don't reach, and other bodies line by line.
"""

_LONGEST_KEY_BYTES: Final = 32 * 1024
"""Kept back where nothing shows that no key is being cut: a private key fits."""

_COUNT_LIMIT: Final = 2**53
"""More than any count of tokens, and exact in every language that reads it."""


class Recording:
    """
    Turns one response, as it comes, into the bytes of its cassette.

    Call :meth:`begin`, :meth:`feed` for every chunk and :meth:`end`, in this
    order, and write what each returns. Offsets are ns since the request went
    upstream and must not decrease. The same calls give the same bytes.

    Args:
        request: What was asked, redacted.
        recorded_at: Wall clock at the start in ISO 8601, or None to leave it out.
        match_key: The request's key under the default rules, 64 hex digits, or None
            to leave it out; a library is then slower to open.
    """

    def __init__(
        self,
        request: CleanRequest,
        *,
        recorded_at: str | None,
        match_key: str | None = None,
    ) -> None:
        self._request = request
        match = None if match_key is None else (KEY_VERSION, bytes.fromhex(match_key))
        self._header = Header(recorded_at=recorded_at, match=match)
        self._tape = TapeWriter()
        self._summary = StreamSummary()
        self._body: EventSplitter | _HeldBody
        self._has_events = False
        self._offset_ns = 0

    def begin(self, response: Response) -> bytes:
        """
        Take the response's head; returns all that comes before the body.
        """
        if response.is_event_stream:
            self._body = EventSplitter()
        elif re.fullmatch(r"application/(.+\+)?json", media_type(response.headers)):
            self._body = _HeldBody(cut_behind=b'"', until_bytes=_HELD_BYTES)
        else:
            self._body = _HeldBody(cut_behind=b"\n", until_bytes=0)
        self._offset_ns = response.offset_ns
        return b"".join(
            [
                MAGIC,
                self._tape.header(self._header),
                self._tape.request(self._request),
                self._tape.response(clean_response(response)),
            ]
        )

    def feed(self, chunk: bytes, offset_ns: int) -> bytes:
        """
        Take one chunk of the body; returns the parts that are whole now.
        """
        self._offset_ns = offset_ns
        body = self._body
        raws = body.feed(chunk)
        if not raws:
            return b""
        self._has_events = True
        clean = [clean_bytes(raw) for raw in raws]
        if type(body) is EventSplitter:
            for raw in clean:
                self._summary.feed(raw)
        return self._tape.parts(offset_ns, clean)

    def end(self, reason: EndReason, offset_ns: int, *, detail: str = "") -> bytes:
        """
        Take the ending; returns the bytes left over and the end of the file.

        Args:
            reason: COMPLETE where the body ended by its framing. It is written as
                UPSTREAM_EOF when the stream in it was not over.
        """
        rest = self._body.rest
        packed = b""
        if rest:
            packed = self._tape.parts(self._offset_ns, [clean_bytes(rest)])
        if reason is EndReason.COMPLETE and not self._is_over(rest):
            reason = EndReason.UPSTREAM_EOF
        ending = Ending(reason=reason, offset_ns=offset_ns, detail=clean_text(detail))
        return packed + self._tape.end(ending, self._summarise(rest))

    def _is_over(self, rest: bytes) -> bool:
        """
        Whether the stream said its last word. Streams of other providers may have
        none, so for them an end behind a whole event is one.
        """
        if type(self._body) is not EventSplitter or self._summary.is_over:
            return True
        is_foreign = self._has_events and not self._summary.is_messages
        return is_foreign and not rest.strip()

    def _summarise(self, rest: bytes) -> dict[str, Any]:
        if type(self._body) is _HeldBody:
            return _summarise_json(clean_bytes(rest))
        summary = self._summary
        return _summary(
            error_type=summary.error_type,
            model=summary.model,
            stop_reason=summary.stop_reason,
            usage=summary.usage,
        )


class _HeldBody:
    """
    A body that is cut only where no key can be.

    Args:
        cut_behind: A byte that no key holds.
        until_bytes: Nothing is cut before more than this is there.
    """

    def __init__(self, *, cut_behind: bytes, until_bytes: int) -> None:
        self._held = bytearray()
        self._cut_behind = cut_behind
        self._until_bytes = until_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        held = self._held
        held += chunk
        if len(held) <= self._until_bytes:
            return []
        cut = held.rfind(self._cut_behind) + 1
        if not cut and len(held) > _HELD_BYTES:
            cut = len(held) - _LONGEST_KEY_BYTES
        piece = bytes(held[:cut])
        del held[:cut]
        return [piece] if piece else []

    @property
    def rest(self) -> bytes:
        return bytes(self._held)


def _summarise_json(body: CleanBytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(message, dict):
        return {}
    error = message.get("error")
    return _summary(
        error_type=error.get("type") if isinstance(error, dict) else None,
        model=message.get("model"),
        stop_reason=message.get("stop_reason"),
        usage=message.get("usage"),
    )


def _summary(*, usage: object, **texts: object) -> dict[str, Any]:
    """
    Keep what is of the kind that it should be; an upstream may send anything.

    Cleaned again, because a key that was spelled with escapes is one only now.
    """
    summary: dict[str, Any] = {
        name: _clean(text) for name, text in texts.items() if isinstance(text, str)
    }
    if isinstance(usage, dict):
        counts = {
            _clean(name): count
            for name, count in usage.items()
            if name.isascii() and type(count) is int and 0 <= count < _COUNT_LIMIT
        }
        if counts:
            summary["usage"] = counts
    return summary


def _clean(text: str) -> str:
    # JSON can spell half of a surrogate pair, which has no bytes.
    return clean_text(text.encode(errors="replace").decode())
