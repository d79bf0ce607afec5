"""
The values that everything else passes around: what was asked, what came, when.

All are frozen. Times are integer nanoseconds on a monotonic clock, counted from
the moment at which the last byte of the request went upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from streamtape.core.stream_formats import StreamFormat, format_of

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Header pairs in the order of the wire; names keep their case, values are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a client, as it went upstream."""

    method: str
    """Upper case."""
    target: str
    """Path and query as on the wire, beginning with one slash: ``/v1/messages``."""
    headers: Headers = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters, ``""`` if none was sent."""
        return media_type(self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The head of one response."""

    status: int
    reason: str
    headers: Headers
    offset_ns: int
    """When the whole head had arrived."""

    @property
    def stream_format(self) -> StreamFormat:
        """How the body is framed, told by its media type alone."""
        return format_of(media_type(self.headers))

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is server-sent events, told by its media type alone."""
        return media_type(self.headers) == "text/event-stream"


@dataclass(frozen=True, slots=True)
class Part:
    """
    Bytes of a response body and when they were whole.

    In a stream each part is one event as it came, but for bytes left over at a
    cut; elsewhere each is one chunk.
    """

    offset_ns: int
    raw: bytes


class EndReason(StrEnum):
    """Why a response ended; all but COMPLETE are replayed as the break they were."""

    COMPLETE = "complete"
    """The last event of the protocol was seen, or a plain body ended by its framing."""
    UPSTREAM_EOF = "upstream_eof"
    """The body ended by its framing, but its stream was not over."""
    UPSTREAM_CUT = "upstream_cut"
    """The connection closed, or its framing broke, within the body."""
    UPSTREAM_RESET = "upstream_reset"
    """The connection was reset within the body."""
    UPSTREAM_TIMEOUT = "upstream_timeout"
    """Nothing came for the idle limit."""
    CLIENT_GONE = "client_gone"
    """The client left before the end."""
    SHUTDOWN = "shutdown"
    """The proxy was stopped, or failed, before the end."""
    DISK_ERROR = "disk_error"
    """The rest could not be written; the client got it all the same."""
    TRUNCATED = "truncated"
    """The file has no ending at all: its writer was killed. Never written."""

    @property
    def is_by_upstream(self) -> bool:
        """Whether a recording that ended so is whole: all that the upstream gave."""
        return self in _BY_UPSTREAM


_BY_UPSTREAM: Final = frozenset(
    {
        EndReason.COMPLETE,
        EndReason.UPSTREAM_EOF,
        EndReason.UPSTREAM_CUT,
        EndReason.UPSTREAM_RESET,
        EndReason.UPSTREAM_TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How and when a response ended."""

    reason: EndReason
    offset_ns: int
    detail: str = ""
    """One sentence for people, empty when there is nothing to add."""

    @property
    def is_complete(self) -> bool:
        """Whether the client got all that the upstream meant to send."""
        return self.reason is EndReason.COMPLETE


def media_type(headers: Headers) -> str:
    """Return the media type in lower case without parameters, or ``""``."""
    value = find_header(headers, "content-type") or ""
    return value.partition(";")[0].strip().lower()


def find_header(headers: Headers, name: str) -> str | None:
    """
    Return the first value of a header, or None.

    Args:
        name: In lower case.
    """
    for key, value in headers:
        if key.lower() == name:
            return value
    return None
