"""
A stream that is larger than any memory should be: sent, heard and compared in passing.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from e2e.processes import PATIENCE_S
from e2e.wire import CHUNKED_HEAD, chunk, url_of

ASKED: Final = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
_JOINED: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BigStream:
    """So many text deltas, each of its own, with what begins and ends a message."""

    events: int
    event_bytes: int

    @property
    def size(self) -> int:
        """The length of the body."""
        return sum(map(len, self.chunks()))

    def chunks(self) -> Iterator[bytes]:
        """Give the body, some events at a time."""
        start = {"type": "message_start", "message": {"model": "m", "content": []}}
        yield _event("message_start", start)
        block = {"type": "content_block_start", "index": 0}
        yield _event(
            "content_block_start", {**block, "content_block": {"type": "text"}}
        )
        delta = b'{"type":"content_block_delta","index":0,"delta":'
        head = b"event: content_block_delta\ndata: " + delta
        head += b'{"type":"text_delta","text":"'
        tail = b'"}}\n\n'
        padding = b" and so on" * (self.event_bytes // 10)
        fill = padding[: self.event_bytes - len(head) - len(tail) - 8]
        for first in range(0, self.events, _JOINED):
            numbers = range(first, min(first + _JOINED, self.events))
            yield b"".join(b"%b%08d%b%b" % (head, n, fill, tail) for n in numbers)
        yield _event("content_block_stop", {"type": "content_block_stop", "index": 0})
        yield _event("message_stop", {"type": "message_stop"})

    def digest(self) -> str:
        """The hash of the body."""
        return _digest(self.chunks())


class BigUpstream:
    """An upstream that answers one request with a stream; a context manager."""

    def __init__(self, stream: BigStream) -> None:
        self._stream = stream
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = url_of(self._listening)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self._thread.join(PATIENCE_S)

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            received = b""
            while not received.endswith(ASKED):
                received += connection.recv(1 << 16)
            connection.sendall(CHUNKED_HEAD)
            for piece in self._stream.chunks():
                connection.sendall(chunk(piece))
            connection.sendall(chunk(b""))


def hear_digest(base_url: str) -> str:
    """Ask for the stream and return the hash of the body that comes."""
    connection = http.client.HTTPConnection(
        urlsplit(base_url).netloc, timeout=PATIENCE_S
    )
    headers = {"content-type": "application/json"}
    connection.request("POST", "/v1/messages", ASKED, headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    digest = _digest(iter(lambda: response.read1(1 << 16), b""))
    connection.close()
    return digest


def _digest(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
