"""
What the END of a response would have said, told by the parts that are there.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streamtape.core.format.excerpts import find_end
from streamtape.core.format.frames import TRAILER
from streamtape.core.model import EndReason, Part, Request, Response, media_type
from streamtape.core.recording import Recording
from streamtape.core.secrecy.heads import clean_request
from streamtape.core.streams.messages import StreamSummary

_MOST_JSON_BYTES: Final = 64 * 1024 * 1024
"""A longer body counts as cut, as nobody can tell."""

_BODILESS: Final = frozenset({204, 304})


class LostEnd:
    """
    Follows a response whose END is lost; feed it the parts in their order.
    """

    def __init__(self, request: Request, response: Response) -> None:
        # It is recorded once more, for the sake of its last frame.
        self._recording = Recording(clean_request(request), recorded_at=None)
        self._size = len(self._recording.begin(response))
        self._stream = StreamSummary() if response.is_event_stream else None
        self._is_json = media_type(response.headers).endswith("json")
        self._has_no_body = request.method == "HEAD" or response.status in _BODILESS
        self._json = bytearray()
        self._offset_ns = response.offset_ns

    def feed(self, part: Part) -> None:
        """
        Take the next part.
        """
        self._offset_ns = part.offset_ns
        self._size += len(self._recording.feed(part.raw, part.offset_ns))
        if self._stream is not None:
            self._stream.feed(part.raw)
        elif self._is_json and len(self._json) <= _MOST_JSON_BYTES:
            self._json += part.raw

    @property
    def is_over(self) -> bool:
        """
        Whether nothing of the response is missing: its last word was said, or its
        JSON is whole. A body of another type doesn't tell.
        """
        if self._stream is not None:
            return self._stream.is_over
        return self._has_no_body or (self._is_json and _is_whole(self._json))

    def summarise(self) -> dict[str, Any]:
        """
        Return what a recorder would have written for listings. To be called once.
        """
        packed = self._recording.end(EndReason.COMPLETE, self._offset_ns)
        position, _ = TRAILER.unpack(packed[-TRAILER.size :])
        end = find_end(packed[position - self._size : -TRAILER.size])
        return {} if end is None else end.summary


def _is_whole(body: bytearray) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
