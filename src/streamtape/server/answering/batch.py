"""
The chunks of one turn of the event loop: all to their clients, then all to the tapes.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Protocol


class Sink(Protocol):
    """
    Where the chunks of one stream go.
    """

    def send(self, chunk: bytes) -> None:
        """
        Give a chunk to the client.
        """

    def record(self, chunk: bytes, at_ns: int) -> None:
        """
        Give a chunk, which the client has, to the tape.
        """

    def fail(self, error: Exception) -> None:
        """
        Take note that one of the other two raised; ends this stream.
        """


class Batch:
    """
    Keeps clients from waiting for the recording of each other's streams.

    A chunk that comes alone is sent at once. When many streams have one in the same
    turn, the others are sent one behind the other at the turn's end, and only then
    is anything recorded; a send between two recordings would cost thrice as much,
    because the client would have gone to sleep.

    What one stream raises ends that stream and no other.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: list[tuple[Sink, bytes, int]] = []

    def add(self, sink: Sink, chunk: bytes, at_ns: int) -> None:
        """
        Take a chunk and the time of its arrival.
        """
        if not self._chunks:
            _send(sink, chunk)
            self._loop.call_soon(self.flush)
        self._chunks.append((sink, chunk, at_ns))

    def flush(self) -> None:
        """
        Send and record all that was taken; call it before a stream's end is recorded.
        """
        chunks, self._chunks = self._chunks, []
        for sink, chunk, _ in islice(chunks, 1, None):
            _send(sink, chunk)
        for sink, chunk, at_ns in chunks:
            try:
                sink.record(chunk, at_ns)
            except Exception as error:
                sink.fail(error)


def _send(sink: Sink, chunk: bytes) -> None:
    try:
        sink.send(chunk)
    except Exception as error:
        sink.fail(error)
