"""
What an answer needed is let go when it is over, and doesn't wait for a collector.

A request may be of megabytes, and the collector of a busy server comes by rarely: what
stands in a circle of references heaps up until then.
"""

from __future__ import annotations

import gc
import json
import socket
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.processes import wait_until
from e2e.wire import ask, connect, raw_request
from streamtape.server.server import RunningServer
from streamtape.testing import (
    FakeUpstream,
    Reply,
    ReplyEnding,
    Write,
    error_reply,
    raw_reply,
)

LARGE_BYTES: Final = 100_000
_RESETS: Final = struct.pack("ii", 1, 0)

EVENTS: Final = [Write(0, b"data: %s\n\n" % (b"x" * LARGE_BYTES)) for _ in range(3)]
WHOLE: Final = raw_reply(EVENTS)
CUT: Final = raw_reply(EVENTS, ending=ReplyEnding.CUT)
RESET: Final = raw_reply(EVENTS, ending=ReplyEnding.RESET)
STALLED: Final = raw_reply(EVENTS, ending=ReplyEnding.STALL)
REFUSED: Final = error_reply(400, "invalid_request_error", "y" * LARGE_BYTES)

Client = Callable[[str, bytes], None]


def read(base_url: str, body: bytes) -> None:
    ask(base_url, body=body)


def leave(base_url: str, body: bytes) -> None:
    line = "POST /v1/messages HTTP/1.1"
    with connect(base_url) as client:
        client.sendall(raw_request(base_url, line, f"Content-Length: {len(body)}"))
        client.sendall(body)
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)


def bodies(count: int) -> list[bytes]:
    said = [f"{number} {'word ' * (LARGE_BYTES // 5)}" for number in range(count)]
    return [json.dumps({"messages": text, "stream": True}).encode() for text in said]


@contextmanager
def without_collector() -> Iterator[Callable[[], int]]:
    """Give what counts the bytes that were taken since and not let go."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()


def ask_all(
    server: RunningServer, client: Client, asked: list[bytes], count: int
) -> None:
    for body in asked:
        client(server.base_url, body)
    wait_until(lambda: sum(server.summary.counts.values()) == count, "all are counted")


@pytest.mark.case
@pytest.mark.parametrize(
    ("reply", "client"),
    [
        pytest.param(WHOLE, read, id="whole"),
        pytest.param(CUT, read, id="cut"),
        pytest.param(RESET, read, id="reset"),
        pytest.param(REFUSED, read, id="an-error"),
        pytest.param(STALLED, leave, id="left"),
    ],
)
def test_a_recording_lets_go(reply: Reply, client: Client, tmp_path: Path) -> None:
    asked = bodies(8)
    with (
        FakeUpstream(lambda _: reply) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as server,
        without_collector() as count_kept,
    ):
        ask_all(server, client, asked[:4], 4)
        upstream.requests.clear()
        before = count_kept()
        ask_all(server, client, asked[4:], 8)
        upstream.requests.clear()

        wait_until(lambda: count_kept() - before < 2 * LARGE_BYTES, "all is let go")


@pytest.mark.case
@pytest.mark.parametrize("client", [read, leave])
def test_a_replay_lets_go(client: Client, tmp_path: Path) -> None:
    recorded, missed = bodies(2)
    with (
        FakeUpstream(lambda _: WHOLE) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask(recording.base_url, body=recorded)
    asked = [recorded, missed] * 2
    with (
        streamtape.replay(tmp_path) as server,
        without_collector() as count_kept,
    ):
        ask_all(server, client, asked, 4)
        before = count_kept()
        ask_all(server, client, asked, 8)

        wait_until(lambda: count_kept() - before < 2 * LARGE_BYTES, "all is let go")
