"""The client's side of a stream: what is asked, and events as they come."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Final, Self

from e2e.processes import PATIENCE_S
from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.sse import EventSplitter
from streamtape.library import CassetteWriter, Library
from streamtape.testing import INSTANT, Reply, ReplyEnding, stream_reply, text

KEY: Final = "sk-ant-api03-" + "Zq7" * 12
"""A key that must not be found in any file."""


class Listening:
    """
    A client that has asked for a stream, and takes events as they come.

    A context manager; it has the head of the answer once it is made.
    """

    def __init__(self, base_url: str, prompt: str) -> None:
        self._connection = http.client.HTTPConnection(
            base_url.removeprefix("http://"), timeout=PATIENCE_S
        )
        headers = {"content-type": "application/json", "x-api-key": KEY}
        self._connection.request("POST", "/v1/messages", body(prompt), headers)
        self._response = self._connection.getresponse()
        self._splitter = EventSplitter()
        self._waiting: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self._response.status

    def take(self, count: int) -> list[bytes]:
        """Wait for so many events."""
        while len(self._waiting) < count:
            chunk = self._response.read1(1 << 16)
            assert chunk, f"the stream ended after {self._waiting!r}"
            self._waiting += self._splitter.feed(chunk)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def rest(self) -> tuple[list[bytes], bool]:
        """
        Wait for the end: further events, and whether the body ended by its framing.
        """
        is_whole = True
        try:
            while chunk := self._response.read1(1 << 16):
                self._waiting += self._splitter.feed(chunk)
        except (http.client.IncompleteRead, ConnectionResetError):
            is_whole = False
        return self._waiting, is_whole


def body(prompt: str, *, stream: bool = True) -> bytes:
    """The body of a request for a message."""
    messages = [{"role": "user", "content": prompt}]
    asked = {
        "model": "claude-demo",
        "max_tokens": 64,
        "messages": messages,
        "stream": stream,
    }
    return json.dumps(asked).encode()


def stalling_reply(events: int) -> Reply:
    """A stream of which so many events come, and then nothing."""
    return stream_reply(
        text("It was a long night at the harbour, and nobody slept. " * 4),
        profile=INSTANT,
        cut_after=events,
        ending=ReplyEnding.STALL,
    )


def keep_slow_answer(folder: Path) -> None:
    """Make a cassette of an answer whose second event comes after an hour."""
    request = clean_request(
        Request(method="POST", target="/v1/messages", body=body("hello")), Secrets()
    )
    recording = Recording(request, recorded_at=None, secrets=Secrets())
    head = (("content-type", "text/event-stream"),)
    hour_ns = 3600 * 10**9
    match_input = match_input_of(request)
    writer = CassetteWriter(folder, cassette_stem(match_input))
    for packed in (
        recording.begin(Response(status=200, reason="OK", headers=head, offset_ns=0)),
        recording.feed(b"event: ping\ndata: {}\n\n", 0),
        recording.feed(b"event: ping\ndata: {}\n\n", hour_ns),
        recording.end(EndReason.COMPLETE, hour_ns),
    ):
        writer.write(packed)
    assert Library(folder).commit(writer, match_input.key, replace=False) is not None
