"""The clients of a soak: each asks for a number, and compares what it hears."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final
from urllib.parse import urlsplit

from e2e.wire import connect
from soak.replies import ask_for
from streamtape.server.clock import SystemClock
from streamtape.testing import Reply, ReplyEnding

PATIENCE_S: Final = 60.0
"""Longer than any answer takes: a client that waits so long has found a difference."""

_RESETS: Final = struct.pack("ii", 1, 0)
_JUNK: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
    b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
    b"POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\r\n\r\n\r\n",
)


class Manner(StrEnum):
    """What a client does with an answer."""

    READ = "read"
    DAWDLE = "dawdle"
    """Reads little at a time, and waits in between."""
    LEAVE = "leave"
    """Goes in the middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one answer; its bytes were compared and are not kept."""

    number: int
    status: int = 0
    """0 where no head came."""
    length: int = 0
    """Of the body that came."""
    arrivals: tuple[tuple[int, int], ...] = ()
    """When something came, on the monotonic clock in ns, and how much there was."""
    stray: bytes = b""
    """The first bytes that came and are not what the upstream sent there."""
    is_whole: bool = False
    """Whether it ended as an answer does."""
    has_left: bool = False
    """Whether the client itself went."""

    ended_ns: int = 0
    """When the client was done with it, on the same clock."""
    life: int = 0
    """Of the recorder that was asked: how often it had been killed before."""

    def length_at(self, time_ns: int) -> int:
        """Return how much of the body had come by a time."""
        return max((at for at_ns, at in self.arrivals if at_ns <= time_ns), default=0)

    def since(self, time_ns: int) -> Heard:
        """
        Return it with the arrivals that tell how much had come at that time or later.
        """
        earlier = sum(at_ns <= time_ns for at_ns, _ in self.arrivals)
        return replace(self, arrivals=self.arrivals[max(0, earlier - 1) :])


def hear(
    base_url: str,
    number: int,
    reply: Reply,
    *,
    manner: Manner,
    dice: Random,
    is_replay: bool = False,
) -> Heard:
    """
    Ask for a number and listen to the answer, to its end or until it breaks.

    Args:
        reply: What the upstream sends.
        dice: How the manner goes.
        is_replay: Whether the end comes even where the upstream said no more.
    """
    expected = reply.body
    leaves_at = len(expected) + 1
    if manner is Manner.LEAVE:
        leaves_at = dice.randrange(len(expected) + 1)
    elif reply.ending is ReplyEnding.STALL and not is_replay:
        leaves_at = len(expected)
    most, pause_s = 1 << 16, 0.0
    if manner is Manner.DAWDLE:
        reads = dice.randint(1, 200)
        most, pause_s = len(expected) // reads + 1, 0.3 / reads
    connection = http.client.HTTPConnection(
        urlsplit(base_url).netloc, timeout=PATIENCE_S
    )
    status, at, stray, is_whole = 0, 0, b"", False
    arrivals: list[tuple[int, int]] = []
    try:
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/messages", ask_for(number), headers)
        response = connection.getresponse()
        status = response.status
        while at < leaves_at:
            chunk = response.read1(min(most, leaves_at - at))
            if not chunk:
                is_whole = not response.length
                break
            if not stray and not expected.startswith(chunk, at):
                stray = chunk
            at += len(chunk)
            arrivals.append((SystemClock.now_ns(), at))
            if pause_s:
                threading.Event().wait(pause_s)
        if at == leaves_at and dice.random() < 0.5:
            _reset(connection)
    except (http.client.HTTPException, ConnectionError):
        # Broken off; whether it may be so is for the caller to say.
        pass
    finally:
        connection.close()
    return Heard(
        number=number,
        status=status,
        length=at,
        arrivals=tuple(arrivals),
        stray=stray,
        is_whole=is_whole,
        has_left=at == leaves_at,
        ended_ns=SystemClock.now_ns(),
    )


def send_junk(base_url: str, dice: Random) -> None:
    """Send what is no request, and read what comes, if anything, before going."""
    with connect(base_url) as connection:
        connection.sendall(dice.choice([*_JUNK, dice.randbytes(200)]))
        if dice.random() < 0.5:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass


def _reset(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
