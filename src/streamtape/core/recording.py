"""
One interaction on its way to a cassette: chunks and times in, bytes of a file out.

No file is written here. The caller stamps each chunk, hands it to the client, and
only then calls :meth:`Recording.feed`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.records import Header
from streamtape.core.format.writer import RecordWriter
from streamtape.core.matching.key import KEY_VERSION
from streamtape.core.messages.events import StreamSummary
from streamtape.core.model import Ending, EndReason, Response
from streamtape.core.redaction.headers import CleanRequest, clean_response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.stream import BodyRedactor, body_redactor
from streamtape.core.redaction.text import Cleaned, clean_text
from streamtape.core.sse import EventSplitter

_COUNT_LIMIT: Final = 2**53
"""More than any count of tokens, and exact in every language that reads it."""


class Recording:
    """
    Turns one response, as it comes, into the bytes of its cassette.

    Call :meth:`begin`, :meth:`feed` for every chunk and :meth:`end`, in this
    order, and write what each returns. Offsets are ns since the last byte of
    the request went upstream and must not decrease. The same calls give the same bytes.

    Args:
        request: What was asked, redacted.
        recorded_at: Wall clock at the start in ISO 8601, or None to leave it out.
        match_key: The request's key under the default rules, 64 hex digits, or None
            to leave it out; a library is then slower to open.
        secrets: What to keep out of it.
    """

    def __init__(
        self,
        request: CleanRequest,
        *,
        recorded_at: str | None,
        match_key: str | None = None,
        secrets: Secrets,
    ) -> None:
        self._request = request
        self._secrets = secrets
        match = None if match_key is None else (KEY_VERSION, bytes.fromhex(match_key))
        self._header = Header(recorded_at=recorded_at, match=match)
        self._tape = RecordWriter()
        self._summary = StreamSummary()
        self._splitter: EventSplitter | None = None
        self._redactor: BodyRedactor
        self._last_part = b""
        self._has_events = False
        self._offset_ns = 0
        self.reason: EndReason | None = None
        """Why it ended, as it is written; None while it goes on."""

    def begin(self, response: Response) -> bytes:
        """Take the response's head; returns all that comes before the body."""
        if response.is_event_stream:
            self._splitter = EventSplitter()
        self._redactor = body_redactor(
            response, self._secrets, watch=self._summary.feed
        )
        self._offset_ns = response.offset_ns
        return b"".join(
            [
                MAGIC,
                self._tape.header(self._header),
                self._tape.request(self._request),
                self._tape.response(clean_response(response, self._secrets)),
            ]
        )

    def feed(self, chunk: bytes, offset_ns: int) -> bytes:
        """Take one chunk of the body; returns the parts that are sure now."""
        self._offset_ns = offset_ns
        splitter = self._splitter
        if splitter is None:
            return self._pack(self._redactor.feed(offset_ns, [chunk]))
        raws = splitter.feed(chunk)
        if not raws:
            # What keeps a stream alive has the time of its read.
            comments = splitter.take_comments()
            raws = [comments] if comments else []
        else:
            self._has_events = True
        return self._pack(self._redactor.feed(offset_ns, raws)) if raws else b""

    def end(self, reason: EndReason, offset_ns: int, *, detail: str = "") -> bytes:
        """
        Take the ending; returns the parts left over and the end of the file.

        Args:
            reason: COMPLETE where the body ended by its framing. It is written as
                UPSTREAM_EOF when the stream in it was not over. CLIENT_GONE is written
                as COMPLETE when it was: many clients leave at the last word.
        """
        rest = b"" if self._splitter is None else self._splitter.rest
        clean_rest = self._redactor.clean_rest(rest)
        packed = self._pack(self._redactor.end())
        if rest:
            packed += self._tape.parts(self._offset_ns, [clean_rest])
        if reason is EndReason.COMPLETE and not self._is_over(rest):
            reason = EndReason.UPSTREAM_EOF
        elif reason is EndReason.CLIENT_GONE and self._summary.is_over and not rest:
            reason = EndReason.COMPLETE
        self.reason = reason
        detail = clean_text(detail, self._secrets)
        ending = Ending(reason=reason, offset_ns=offset_ns, detail=detail)
        return packed + self._tape.end(ending, self.summary)

    def find_kinds(self) -> list[str]:
        """
        Name the kinds of secret in the texts that were recorded, joined; there is none.

        The last look before a cassette gets its name. Call it after :meth:`end`.
        """
        return self._redactor.find_kinds()

    def _pack(self, cleaned: Cleaned) -> bytes:
        if cleaned:
            self._last_part = cleaned[-1][1]
        packed = []
        for offset_ns, raw in cleaned:
            packed.append(self._tape.parts(offset_ns, [raw]))
        return b"".join(packed)

    def _is_over(self, rest: bytes) -> bool:
        """
        Whether the stream said its last word. A stream that nobody here knows may have
        none, so for it an end after a whole event is one.
        """
        if self._summary.is_over:
            return True
        if self._summary.is_messages or self._summary.is_foreign:
            return False
        return self._splitter is None or (self._has_events and not rest.strip())

    @property
    def summary(self) -> dict[str, Any]:
        """What listings want, of all that was given back so far."""
        is_known = self._summary.is_messages or self._summary.is_foreign
        if self._splitter is None and not is_known:
            return summarise_json(self._last_part, self._secrets)
        return summarise_stream(self._summary, self._secrets)


def summarise_stream(stream: StreamSummary, secrets: Secrets) -> dict[str, Any]:
    """Return what the END of a stream says for listings."""
    return _summary(
        secrets,
        error_type=stream.error_type,
        model=stream.model,
        stop_reason=stream.stop_reason,
        usage=stream.usage,
    )


def summarise_json(body: bytes | bytearray, secrets: Secrets) -> dict[str, Any]:
    """Return what the END of any other body says; empty where that is no JSON."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(message, dict):
        return {}
    error = message.get("error")
    return _summary(
        secrets,
        error_type=error.get("type") if isinstance(error, dict) else None,
        model=message.get("model"),
        stop_reason=message.get("stop_reason"),
        usage=message.get("usage"),
    )


def _summary(secrets: Secrets, *, usage: object, **texts: object) -> dict[str, Any]:
    """
    Keep what is of the kind that it should be; an upstream may send anything.

    Cleaned again, because a secret that was spelled with escapes is one only now.
    """
    summary: dict[str, Any] = {
        name: _clean(text, secrets)
        for name, text in texts.items()
        if isinstance(text, str)
    }
    if isinstance(usage, dict):
        counts = {
            _clean(name, secrets): count
            for name, count in usage.items()
            if name.isascii() and type(count) is int and 0 <= count < _COUNT_LIMIT
        }
        if counts:
            summary["usage"] = counts
    return summary


def _clean(text: str, secrets: Secrets) -> str:
    # JSON can spell half of a surrogate pair, which has no bytes.
    return clean_text(text.encode(errors="replace").decode(), secrets)
