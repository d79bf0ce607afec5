"""A raw HTTP client, which tells exactly what came and how the connection ended."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from streamtape.core.model import Headers, find_header

_PATIENCE_S = 15.0
"""Longer than anything here takes: a test that hangs fails instead."""


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Ending(StrEnum):
    """How a body ended, as a client sees it."""

    WHOLE = "whole"
    """By its framing."""
    CLOSED = "closed"
    """The connection closed within the body."""
    RESET = "reset"
    """The connection was reset within the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, freed from its framing."""

    status: int
    headers: Headers
    body: bytes
    ending: Ending

    def header(self, name: str) -> str | None:
        """
        Return the first value of a header, or None.

        Args:
            name: In lower case.
        """
        return find_header(self.headers, name)


def ask(
    base_url: str,
    *,
    method: str = "POST",
    target: str = "/v1/messages",
    headers: Headers = (),
    body: bytes = b"",
) -> Answer:
    """
    Send one request on a connection of its own, and read until that ends.

    Args:
        target: Put after the path of the base URL.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    head = raw_request(
        base_url,
        f"{method} {urlsplit(base_url).path}{target} HTTP/1.1",
        f"Content-Length: {len(body)}",
        *lines,
    )
    return ask_raw(base_url, head + body)


def raw_request(base_url: str, request_line: str, *lines: str, body: str = "") -> bytes:
    """
    Write a request that asks for the connection to close after the answer.

    Args:
        lines: Headers besides Host and Connection.
        body: As it goes over the wire.
    """
    own = [f"Host: {authority(base_url)}", "Connection: close"]
    return "\r\n".join([request_line, *own, *lines, "", body]).encode()


def ask_raw(base_url: str, sent: bytes) -> Answer:
    """
    Send these bytes, which ask for the connection to close, and read until it does.
    """
    with connect(base_url) as connection:
        connection.sendall(sent)
        return read_answer(connection)


def listen() -> socket.socket:
    """
    Return a socket that takes connections; waits for one no longer than for bytes.
    """
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(_PATIENCE_S)
    return server


def connect(base_url: str) -> socket.socket:
    """Open a connection to a server."""
    host, _, port = authority(base_url).rpartition(":")
    return socket.create_connection((host, int(port)), timeout=_PATIENCE_S)


def read_answer(connection: socket.socket, received: bytes = b"") -> Answer:
    """
    Read until the connection ends; answers that say to go on are skipped.

    Args:
        received: What was read of the answer already.
    """
    ending = Ending.CLOSED
    reads = [received]
    try:
        while data := connection.recv(1 << 16):
            reads.append(data)
    except ConnectionResetError:
        ending = Ending.RESET
    received = b"".join(reads)
    while received.startswith(CONTINUE):
        received = received.removeprefix(CONTINUE)
    head, blank, framed = received.partition(b"\r\n\r\n")
    assert blank, f"no answer but {received!r}, {ending}"
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((name, value) for name, _, value in map(_split, lines))
    body, is_whole = _unframe(framed, headers, ending)
    return Answer(
        status=int(status_line.split(" ")[1]),
        headers=headers,
        body=body,
        ending=Ending.WHOLE if is_whole else ending,
    )


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(": ")


def _unframe(framed: bytes, headers: Headers, ending: Ending) -> tuple[bytes, bool]:
    """Return the body and whether it ended by its framing."""
    if find_header(headers, "transfer-encoding") == "chunked":
        return _unchunk(framed)
    length = find_header(headers, "content-length")
    if length is not None:
        return framed, len(framed) == int(length)
    return framed, ending is Ending.CLOSED


def _unchunk(framed: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    at = 0
    while (line_end := framed.find(b"\r\n", at)) >= 0:
        size = int(framed[at:line_end], 16)
        at = line_end + 2
        if size == 0:
            return bytes(body), framed[at:] == b"\r\n"
        body += framed[at : at + size]
        at += size + 2
    return bytes(body), False


def authority(base_url: str) -> str:
    """Return the host and port of a server."""
    return base_url.removeprefix("http://").partition("/")[0]


# The other side, for an upstream that a test drives by hand.

CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunk(body: bytes) -> bytes:
    """Frame a part of a chunked body; an empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(body), body)


def url_of(server: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    return f"http://127.0.0.1:{server.getsockname()[1]}"
