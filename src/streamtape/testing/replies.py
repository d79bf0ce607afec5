"""
What the fake upstream answers: head, timed body, framing, and how it ends.

With the headers that the API puts on every answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http.client import responses
from typing import Final, Unpack

from streamtape.core.model import Headers
from streamtape.testing.blocks import Item, JsonObject, to_json
from streamtape.testing.profile import TYPICAL, Profile, Write
from streamtape.testing.seeds import make_id
from streamtape.testing.streams import MessageFields, message_stream

_REASONS: Final = responses | {
    # Python calls these otherwise since 3.13, and an answer is to be the same bytes.
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class ReplyEnding(StrEnum):
    """What becomes of the body and the connection after the last write."""

    COMPLETE = "complete"
    """The body ends by its framing."""
    EOF = "eof"
    """The same on the wire; says that the stream in it was not over."""
    CUT = "cut"
    """The connection closes although the framing promises more."""
    RESET = "reset"
    """The connection is reset; of a large body the client may not get all."""
    STALL = "stall"
    """Nothing more comes until the client leaves."""


class Framing(StrEnum):
    """How the client knows where the body ends."""

    CHUNKED = "chunked"
    """Each write is one chunk."""
    LENGTH = "length"
    """By ``content-length``; of a reply that is cut it says one byte too many."""
    CLOSE = "close"
    """By the end of the connection, so that a cut can't be told from the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    headers: Headers = ()
    """Without those of the framing, which the upstream adds."""
    head_offset_ns: int = 0
    """When the head goes out, since the request had arrived whole."""
    writes: tuple[Write, ...] = ()
    """The body, in the order of the offsets."""
    framing: Framing = Framing.CHUNKED
    ending: ReplyEnding = ReplyEnding.COMPLETE

    @property
    def reason(self) -> str:
        """The phrase beside the status; empty for one that has none."""
        return _REASONS.get(self.status, "")

    @property
    def body(self) -> bytes:
        """All that is written of the body."""
        return b"".join(write.raw for write in self.writes)


def stream_reply(
    *items: Item,
    profile: Profile = TYPICAL,
    pings: int = 1,
    cut_after: int | None = None,
    cut_bytes: int = 0,
    ending: ReplyEnding | None = None,
    headers: Headers = (),
    **fields: Unpack[MessageFields],
) -> Reply:
    """
    Return a streamed message; see :func:`message_stream` and :func:`events_reply`.
    """
    return events_reply(
        message_stream(*items, pings=pings, **fields),
        profile=profile,
        cut_after=cut_after,
        cut_bytes=cut_bytes,
        ending=ending,
        headers=headers,
    )


def events_reply(
    events: Sequence[bytes],
    *,
    profile: Profile = TYPICAL,
    cut_after: int | None = None,
    cut_bytes: int = 0,
    ending: ReplyEnding | None = None,
    headers: Headers = (),
) -> Reply:
    """
    Return an answer made of raw events.

    Args:
        cut_after: Number of whole events that are sent; None for all.
        cut_bytes: Bytes of the event after these that are sent as well.
        ending: None for COMPLETE, or CUT if *cut_after* leaves something out.
        headers: Further ones, after those of the API.
    """
    kept = list(events)
    if cut_after is not None:
        part = b"".join(events[cut_after:])[:cut_bytes]
        kept = [*events[:cut_after], *([part] if part else [])]
    if ending is None:
        is_whole = sum(map(len, kept)) == sum(map(len, events))
        ending = ReplyEnding.COMPLETE if is_whole else ReplyEnding.CUT
    stream_headers = (
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
    )
    return Reply(
        headers=(
            *stream_headers,
            *api_headers(make_request_id(b"".join(events))),
            *headers,
        ),
        # The head comes a little before the first event.
        head_offset_ns=profile.ttft_ns * 9 // 10,
        writes=profile.writes(kept),
        ending=ending,
    )


def json_reply(
    value: object, *, status: int = 200, headers: Headers = (), delay_ns: int = 0
) -> Reply:
    """
    Return an answer that isn't streamed.

    Args:
        value: What to write as JSON, or bytes that are JSON already.
        headers: Further ones, after those of the API.
        delay_ns: When all of it goes out.
    """
    body = value if isinstance(value, bytes) else to_json(value).encode()
    return Reply(
        status=status,
        headers=(
            ("content-type", "application/json"),
            *api_headers(make_request_id(body)),
            *headers,
        ),
        head_offset_ns=delay_ns,
        writes=(Write(delay_ns, body),),
        framing=Framing.LENGTH,
    )


def error_reply(
    status: int,
    error_type: str,
    message: str,
    *,
    retry_after: float | None = None,
    should_retry: bool | None = None,
    details: JsonObject | None = None,
) -> Reply:
    """
    Return an error in the API's envelope.

    Args:
        retry_after: The ``retry-after`` header in seconds; None leaves it out.
        should_retry: The ``x-should-retry`` header; None leaves it out.
        details: The ``error.details`` of the envelope.
    """
    headers: list[tuple[str, str]] = []
    if retry_after is not None:
        headers.append(("retry-after", f"{retry_after:g}"))
    if should_retry is not None:
        headers.append(("x-should-retry", str(should_retry).lower()))
    error = {"type": error_type, "message": message, "details": details}
    request_id = make_request_id(to_json(error).encode())
    envelope = {"type": "error", "error": error, "request_id": request_id}
    head = (("content-type", "application/json"), *api_headers(request_id))
    return Reply(
        status=status,
        headers=(*head, *headers),
        writes=(Write(0, to_json(envelope).encode()),),
        framing=Framing.LENGTH,
    )


def raw_reply(
    body: bytes | Iterable[Write],
    *,
    status: int = 200,
    content_type: str | None = "text/event-stream; charset=utf-8",
    headers: Headers = (),
    framing: Framing = Framing.CHUNKED,
    ending: ReplyEnding = ReplyEnding.COMPLETE,
) -> Reply:
    """
    Return an answer with any body: other line ends, compressed, not the API's.

    Args:
        body: Bytes to send at once in one write, or the writes.
        content_type: None for no such header.
        headers: All others; nothing is added but the framing.
    """
    writes = (Write(0, body),) if isinstance(body, bytes) else tuple(body)
    own = () if content_type is None else (("content-type", content_type),)
    return Reply(
        status=status,
        headers=(*own, *headers),
        writes=writes,
        framing=framing,
        ending=ending,
    )


ORGANIZATION_ID: Final = "3fd1a2c4-5b6e-4f70-8a91-b2c3d4e5f607"
"""What every answer says in ``anthropic-organization-id``; nobody's."""

_DATE: Final = "Thu, 01 Jan 2026 00:00:00 GMT"
_RESET: Final = "2026-01-01T00:01:00Z"


def make_request_id(content: bytes) -> str:
    """Return the id of a request, told by the content of its answer."""
    return make_id("req_011C", hashlib.sha256(content).hexdigest())


def api_headers(request_id: str) -> Headers:
    """Return what the API puts on every answer."""
    limits = (("requests", 50), ("input-tokens", 40_000), ("output-tokens", 8_000))
    return (
        ("date", _DATE),
        ("request-id", request_id),
        ("anthropic-organization-id", ORGANIZATION_ID),
        *(
            (f"anthropic-ratelimit-{name}-{key}", value)
            for name, limit in limits
            for key, value in (
                ("limit", str(limit)),
                ("remaining", str(limit - 1)),
                ("reset", _RESET),
            )
        ),
        ("server", "cloudflare"),
        ("via", "1.1 google"),
    )
