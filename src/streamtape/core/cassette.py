"""A whole cassette in memory, as people who look at one want it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from streamtape.core.messages.events import final_message, message_text, stream_text
from streamtape.core.messages.timing import Timing, measure
from streamtape.core.model import Ending, Part, Request, Response


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Cassette:
    """One recorded interaction: a request, its response and every time in it."""

    name: str
    """File name without its ending, or ``""`` for one that has no file."""
    request: Request
    response: Response | None
    """None where the recorder was killed before the head came."""
    parts: tuple[Part, ...]
    ending: Ending
    recorded_at: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the body is server-sent events."""
        return self.response is not None and self.response.is_event_stream

    @property
    def events(self) -> tuple[Part, ...]:
        """The events with their offsets; empty where the body isn't an event stream."""
        return self.parts if self.is_stream else ()

    @property
    def body(self) -> bytes:
        """The whole body of the response."""
        return b"".join(part.raw for part in self.parts)

    @property
    def text(self) -> str:
        """The text that was generated, assembled from all its deltas."""
        if self.is_stream:
            return stream_text(part.raw for part in self.parts)
        message = self.final_message()
        return "" if message is None else message_text(message)

    @property
    def timing(self) -> Timing:
        """Time to headers, TTFT, gaps and TPOT."""
        return measure(self.response, self.events or self.parts, self.ending)

    def final_message(self) -> dict[str, Any] | None:
        """
        Return the message as an SDK would have it in the end, or None.

        None where the body holds no message: an error, another endpoint, or a
        stream that was cut before its first event.
        """
        if self.is_stream:
            return final_message(part.raw for part in self.parts)
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        is_message = isinstance(body, dict) and body.get("type") == "message"
        return body if is_message else None

    def __repr__(self) -> str:
        status = "no answer" if self.response is None else self.response.status
        return (
            f"<Cassette {self.name}: {self.request.method} {self.request.path} "
            f"{status}, {len(self.parts)} parts, {self.ending.reason}>"
        )
