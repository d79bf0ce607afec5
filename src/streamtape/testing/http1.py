"""
HTTP/1.1 on the upstream's side, plain enough to end an answer in every bad way.

An HTTP library ends answers properly and adds headers of its own; here the bytes of
a reply are all that goes out, and they go out when they are due.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from http.client import responses
from typing import Final, assert_never

from streamtape.core.model import Headers, find_header
from streamtape.testing.profile import Write
from streamtape.testing.replies import Framing, Reply, ReplyEnding
from streamtape.testing.seen import SeenRequest

MOST_HEAD_BYTES: Final = 1 << 20
_LINGER_NOT: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ClientGoneError(Exception):
    """
    The client left before it had got the whole answer.
    """


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> SeenRequest | None:
    """
    Read one request with its whole body; None if that can't be had.

    That is so when the client leaves before the end, or sends what isn't HTTP/1.1.
    One that waits to be told to go on is told so.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = tuple(_split_header(line) for line in lines)
        if (find_header(headers, "expect") or "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, headers)
    except (
        asyncio.IncompleteReadError,
        asyncio.LimitOverrunError,
        ConnectionError,
        ValueError,
    ):
        return None
    return SeenRequest(method=method, target=target, headers=headers, body=body)


def _split_header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


async def _read_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    if (find_header(headers, "transfer-encoding") or "").lower() != "chunked":
        return await reader.readexactly(
            int(find_header(headers, "content-length") or 0)
        )
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # Trailers say nothing about the body.
    return bytes(body)


async def send_reply(
    seen: SeenRequest,
    reply: Reply,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """
    Send a reply at its times; closing the connection is left to the caller.

    Due times count from the call, so that a late write does not delay the next. The
    event loop itself turns Nagle's algorithm off.

    Returns:
        Whether the connection can take another request.

    Raises:
        ClientGoneError: The client left before the end.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        for offset_ns, raw in _wire_writes(seen, reply):
            await asyncio.sleep(start + offset_ns / 1e9 - loop.time())
            writer.write(raw)
            await writer.drain()
    except ConnectionError as exc:
        raise ClientGoneError from exc
    match reply.ending:
        case ReplyEnding.COMPLETE | ReplyEnding.EOF:
            return (
                reply.framing is not Framing.CLOSE
                and (find_header(seen.headers, "connection") or "").lower() != "close"
            )
        case ReplyEnding.CUT:
            return False
        case ReplyEnding.RESET:
            # Closing is then a reset.
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            return False
        case ReplyEnding.STALL:
            await _wait_until_closed(reader)
            raise ClientGoneError
        case _:
            assert_never(reply.ending)


async def _wait_until_closed(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


def _wire_writes(seen: SeenRequest, reply: Reply) -> Iterator[Write]:
    yield Write(reply.head_offset_ns, _head(reply))
    if seen.method == "HEAD":
        return
    is_chunked = reply.framing is Framing.CHUNKED
    last_ns = reply.head_offset_ns
    for offset_ns, raw in reply.writes:
        # An empty chunk would be the last.
        if raw and is_chunked:
            yield Write(offset_ns, b"%x\r\n%b\r\n" % (len(raw), raw))
        elif raw:
            yield Write(offset_ns, raw)
        last_ns = offset_ns
    if is_chunked and _is_whole(reply):
        yield Write(last_ns, b"0\r\n\r\n")


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    match reply.framing:
        case Framing.CHUNKED:
            lines.append("transfer-encoding: chunked")
        case Framing.LENGTH:
            missing = 0 if _is_whole(reply) else 1
            lines.append(f"content-length: {len(reply.body) + missing}")
        case Framing.CLOSE:
            lines.append("connection: close")
        case _:
            assert_never(reply.framing)
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _is_whole(reply: Reply) -> bool:
    return reply.ending in (ReplyEnding.COMPLETE, ReplyEnding.EOF)
