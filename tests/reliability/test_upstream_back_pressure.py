"""A slow client holds the upstream up, and a long stream fills no memory."""

from __future__ import annotations

import gzip
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from e2e.processes import Program, start_recorder, start_replay
from e2e.runs import read_library
from e2e.wire import (
    CHUNKED_HEAD,
    authority,
    chunk,
    connect,
    listen,
    raw_request,
    url_of,
)
from proofs import Trials

MIB: Final = 1 << 20
EVENT: Final = b"data: " + b"x " * 10_000 + b"\n\n"
COUNT: Final = -(-64 * MIB // len(EVENT))
BODY_BYTES: Final = COUNT * len(EVENT)
GROWTH_BYTES: Final = 48 * MIB
PATIENCE_S: Final = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tells memory by /proc")


def resident_bytes(program: Program, *, at_most: bool = False) -> int:
    """Return how much memory a process has now, or ever had at most."""
    name = "VmHWM:" if at_most else "VmRSS:"
    status = Path(f"/proc/{program.pid}/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith(name))
    return int(line.split()[1]) * 1024


class SlowClient:
    """A client whose system takes little, and that reads when it is told to."""

    def __init__(self, base_url: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        host, _, port = authority(base_url).partition(":")
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, int(port)))
        self.socket.sendall(raw_request(base_url, "GET /v1/x HTTP/1.1"))
        self.received = 0

    def read_all(self) -> None:
        with self.socket:
            while data := self.socket.recv(1 << 16):
                self.received += len(data)

    @property
    def has_all(self) -> bool:
        """Whether the whole body came, in its chunks."""
        return self.received > BODY_BYTES


class Sender(threading.Thread):
    """The upstream's side of one answer, sent as fast as it is taken."""

    def __init__(self, upstream: socket.socket, head: bytes, body: bytes) -> None:
        super().__init__(daemon=True)
        self._upstream = upstream
        self._body = head + body
        self.sent = 0
        self.total = len(self._body)
        self.moved = threading.Event()

    def run(self) -> None:
        served, _ = self._upstream.accept()
        with served, memoryview(self._body) as body:
            served.recv(1 << 16)
            while self.sent < self.total:
                self.sent += served.send(body[self.sent : self.sent + (1 << 16)])
                self.moved.set()

    def wait_until_stuck(self) -> None:
        """Return when nothing was taken for a while; fails if everything was."""
        while self.moved.wait(0.5):
            self.moved.clear()
        assert 0 < self.sent < self.total


def warm_up(program: Program, upstream: socket.socket | None) -> None:
    """Have one small answer go through, so that what is needed for any is there."""
    base_url = program.base_url
    with connect(base_url) as client:
        client.sendall(raw_request(base_url, "GET /v1/warm HTTP/1.1"))
        if upstream is not None:
            served, _ = upstream.accept()
            with served:
                served.recv(1 << 16)
                served.sendall(CHUNKED_HEAD + chunk(EVENT) + chunk(b""))
        while client.recv(1 << 16):
            pass


def record_slowly(
    folder: Path, head: bytes, body: bytes, look: Callable[[Sender], None]
) -> int:
    """Record with a client that reads nothing at first; returns the growth in bytes."""
    with (
        listen() as upstream,
        start_recorder(url_of(upstream), folder) as recorder,
    ):
        warm_up(recorder, upstream)
        idle = resident_bytes(recorder)
        sender = Sender(upstream, head, body)
        sender.start()
        client = SlowClient(recorder.base_url)
        look(sender)
        client.read_all()
        sender.join(PATIENCE_S)
        assert client.has_all
        growth = resident_bytes(recorder, at_most=True) - idle
        recorder.stop(signal.SIGTERM)
        return growth


def replay_slowly(folder: Path) -> int:
    with start_replay(folder) as server:
        warm_up(server, None)
        idle = resident_bytes(server)
        client = SlowClient(server.base_url)
        client.socket.recv(1, socket.MSG_PEEK)
        client.read_all()
        assert client.has_all
        growth = resident_bytes(server, at_most=True) - idle
        server.stop(signal.SIGTERM)
        return growth


@pytest.mark.slow
@pytest.mark.case(57)
def test_64_mib_to_a_slow_client_cost_little_memory(
    trials: Trials, tmp_path: Path
) -> None:
    body = chunk(EVENT) * COUNT + chunk(b"")
    for number in range(trials.many(quick=1, long=3)):
        folder = tmp_path / str(number)

        recording = record_slowly(folder, CHUNKED_HEAD, body, Sender.wait_until_stuck)
        replaying = replay_slowly(folder)

        assert recording <= GROWTH_BYTES
        assert replaying <= GROWTH_BYTES
        trials.ran += 1
    tape = next(each for each in read_library(folder) if len(each.body) > len(EVENT))
    assert tape.body == EVENT * COUNT


@pytest.mark.slow
@pytest.mark.case(52)
def test_a_compression_bomb_costs_little_memory(tmp_path: Path) -> None:
    """It comes in one read, and is a thousand times as long when it is decoded."""
    body = gzip.compress(EVENT * COUNT, compresslevel=9)
    assert len(body) < 256 * 1024
    head = CHUNKED_HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")

    growth = record_slowly(
        tmp_path, head, chunk(body) + chunk(b""), lambda sender: sender.join()
    )

    assert growth <= GROWTH_BYTES
    tape = next(each for each in read_library(tmp_path) if len(each.body) > len(EVENT))
    assert tape.body == EVENT * COUNT
