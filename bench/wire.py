"""The bytes of a streamed response: how they are framed, and how they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Self

from bench.measure import digest
from bench.streams import stream_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.streams import Stream

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"request-id: req_bench\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


def frame(event: bytes) -> bytes:
    """One chunk of chunked framing."""
    return b"%x\r\n%b\r\n" % (len(event), event)


def frames(events: Sequence[bytes]) -> list[bytes]:
    """Each event as one chunk; the last one brings the end of the body with it."""
    framed = [frame(event) for event in events]
    framed[-1] += END
    return framed


@dataclass(frozen=True, slots=True)
class Plan:
    """A stream as the upstream is going to write it."""

    stream: Stream
    writes: list[bytes]
    ends: list[int]
    """Length of the body when each write has arrived, in bytes."""
    digest: bytes

    @classmethod
    def of(cls, stream: Stream, *, at_once: bool = False) -> Self:
        """One write per event; or, at_once, a single write that counts as one event."""
        events: Sequence[bytes] = stream_events(stream)
        if at_once:
            events = [b"".join(events)]
        writes = frames(events)
        writes[0] = HEAD + writes[0]
        return cls(stream, writes, list(accumulate(map(len, events))), digest(events))


class ResponseReader:
    """Takes one chunked response off the wire; feed it what each read gave."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0
        """Bytes of the body so far."""
        self.done = False
        """Whether the last chunk was seen."""
        self._in_body = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """
        Take the bytes of one read.

        Raises:
            ValueError: The response isn't chunked, so it's no stream but a refusal.
        """
        if self._rest:
            data = self._rest + data
        if not self._in_body:
            head, blank, body = data.partition(b"\r\n\r\n")
            if not blank:
                self._rest = data
                return
            if not _CHUNKED.search(head + b"\r\n"):
                raise ValueError(f"not a stream: {data!r}")
            self._in_body = True
            data = body
        self._rest = data[self._take_chunks(data) :]

    def _take_chunks(self, data: bytes) -> int:
        at = 0
        while (line := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line], 16)
            end = line + 2 + size
            if len(data) < end + 2:
                break
            if size:
                self.parts.append(data[line + 2 : end])
                self.length += size
            else:
                self.done = True
            at = end + 2
        return at
