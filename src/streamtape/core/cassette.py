"""A whole cassette in memory, as people who look at one want it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamtape.core.messages.deltas import Event, read_event
from streamtape.core.messages.events import final_message, message_text, stream_text
from streamtape.core.messages.timing import Timing, measure
from streamtape.core.model import Ending, Part, Request, Response
from streamtape.core.stream_formats import StreamFormat, StreamSplitter, is_array


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
    def stream_format(self) -> StreamFormat:
        """In what format the body is a stream; NONE where it is none."""
        if self.response is None or not self.parts:
            return StreamFormat.NONE
        stream_format = self.response.stream_format
        is_one = stream_format is StreamFormat.ARRAY and not is_array(self.parts[0].raw)
        return StreamFormat.NONE if is_one else stream_format

    @property
    def is_stream(self) -> bool:
        """Whether the body comes in events: server-sent ones or others."""
        return self.stream_format is not StreamFormat.NONE

    @property
    def events(self) -> tuple[Part, ...]:
        """The events with their offsets; empty where the body is no stream."""
        return self.parts if self.is_stream else ()

    @property
    def body(self) -> bytes:
        """The whole body of the response."""
        return b"".join(part.raw for part in self.parts)

    @property
    def text(self) -> str:
        """The text that was generated, assembled from all its deltas."""
        if self.is_stream:
            return stream_text(self._read_events())
        message = self.final_message()
        return "" if message is None else message_text(message)

    @property
    def timing(self) -> Timing:
        """Time to headers, TTFT, gaps and TPOT."""
        return measure(
            self.response, self.parts, self.ending, stream_format=self.stream_format
        )

    def final_message(self) -> dict[str, Any] | None:
        """
        Return the message as an SDK would have it in the end, or None.

        None where the body holds no message: an error, another endpoint, or a
        stream that was cut before its first event.
        """
        if self.is_stream:
            return final_message(self._read_events())
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        is_message = isinstance(body, dict) and body.get("type") == "message"
        return body if is_message else None

    def _read_events(self) -> Iterator[Event]:
        """Read all events; a part of an older cassette may hold several."""
        stream_format = self.stream_format
        events = StreamSplitter(stream_format)
        for part in self.parts:
            for event in events.feed(part.raw):
                yield read_event(event, stream_format)
        if events.rest:
            yield read_event(events.rest, stream_format)

    def __repr__(self) -> str:
        status = "no answer" if self.response is None else self.response.status
        return (
            f"<Cassette {self.name}: {self.request.method} {self.request.path} "
            f"{status}, {len(self.parts)} parts, {self.ending.reason}>"
        )
