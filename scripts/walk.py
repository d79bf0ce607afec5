"""
Count what one recorded event and one replayed request pass through.

    python scripts/walk.py        the files of streamtape in their order, with calls

A profiler counts the calls of our own functions in the server's threads: for an event,
from its read to the file; for a request, from its read until the head of its answer is
sent. Both are warm: others came before them, and the request is on a connection that is
open already. A coroutine that goes on is a call too.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import FrameType
from typing import Any, Final

import streamtape

PACKAGE: Final = Path(streamtape.__file__).parent
WARM: Final = 5
"""How many come before the one that is counted."""


@dataclass(slots=True)
class Walk:
    """
    The calls of one walk, by the module, in the order of the first of each.
    """

    calls: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> str:
        """
        Both counts in words.
        """
        return f"{self.calls.total()} calls in {len(self.calls)} files"


class Profiler:
    """
    Counts calls in all threads that begin while it is installed.
    """

    def __init__(self) -> None:
        self.walk: Walk | None = None
        """Where to count to; None to count nothing."""
        self._until_sent = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """
        Watch the threads that begin within.
        """
        threading.setprofile(self._note)
        try:
            yield
        finally:
            threading.setprofile(None)

    def begin(self, *, until_sent: bool) -> Walk:
        """
        Count from now on.

        Args:
            until_sent: Whether to stop when something is given to a socket.
        """
        self._until_sent = until_sent
        self.walk = walk = Walk()
        return walk

    def end(self) -> None:
        """
        Count no more.
        """
        self.walk = None

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        walk = self.walk
        if walk is None:
            return
        if event == "call":
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                walk.calls[path.relative_to(PACKAGE).as_posix()] += 1
        elif (
            event == "c_call"
            and self._until_sent
            and argument.__name__ in ("send", "sendmsg")
        ):
            self.walk = None


class LockstepUpstream:
    """
    An API that sends one event each time that it is asked to.
    """

    def __init__(self) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._writer: asyncio.StreamWriter
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LockstepUpstream:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *failure: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def send(self, raw: bytes) -> None:
        """
        Send a chunk of the body; nothing ends it.
        """
        chunk = b"%x\r\n%b\r\n" % (len(raw), raw)
        self._loop.call_soon_threadsafe(self._writer.write, chunk)

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self._writer = writer
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )


def delta(number: int) -> bytes:
    """
    Return an event that adds a word, as the API writes it.
    """
    data = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": f" word{number}"},
    }
    return f"event: content_block_delta\ndata: {json.dumps(data)}\n\n".encode()


def ask(connection: HTTPConnection) -> HTTPResponse:
    """Ask for a streamed answer; its head is there when this returns."""
    body = {
        "model": "claude-demo",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hello!"}],
        "stream": True,
    }
    headers = {"content-type": "application/json", "x-api-key": "sk-made-up-0123456789"}
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    return connection.getresponse()


def walk_of_an_event() -> Walk:
    """
    Count what one event passes on its way from the upstream to client and file.
    """
    profiler = Profiler()
    with (
        tempfile.TemporaryDirectory() as folder,
        LockstepUpstream() as upstream,
        profiler.installed(),
        streamtape.record(folder, upstream=upstream.url) as recorder,
    ):
        connection = HTTPConnection(recorder.base_url.removeprefix("http://"))
        response = ask(connection)
        while not _recorded_bytes(Path(folder)):
            # The head of the answer comes into the file before any event.
            pass
        for number in range(WARM):
            _carry(upstream, response, Path(folder), number)
        walk = profiler.begin(until_sent=False)
        _carry(upstream, response, Path(folder), WARM)
        profiler.end()
        connection.close()
    return walk


def _carry(
    upstream: LockstepUpstream, response: HTTPResponse, folder: Path, number: int
) -> None:
    """
    Let one event come to the client and into the file.
    """
    size = _recorded_bytes(folder)
    upstream.send(delta(number))
    for _ in range(3):
        response.readline()
    # The client has an event before the file does.
    while _recorded_bytes(folder) == size:
        pass


def _recorded_bytes(folder: Path) -> int:
    return sum(part.stat().st_size for part in folder.glob("*.part"))


def walk_of_a_request() -> Walk:
    """
    Count what a request passes that is answered from a cassette, until the head.
    """
    profiler = Profiler()
    cassettes = Path(__file__).parents[1] / "cassettes"
    with (
        profiler.installed(),
        streamtape.replay(cassettes, speed="instant") as replay,
    ):
        connection = HTTPConnection(replay.base_url.removeprefix("http://"))
        for _ in range(WARM):
            ask(connection).read()
        while replay.summary.counts.get("replayed") != WARM:
            # A client has all of an answer before the server is done with it.
            pass
        walk = profiler.begin(until_sent=True)
        ask(connection).read()
        profiler.end()
        connection.close()
    return walk


def explain_walk(walk: Walk) -> str:
    """Return the files of a walk in Markdown, ending in a newline."""
    names = [f"`{name.removesuffix('.py')}`" for name in walk.calls]
    return f"{' → '.join(names)} ({len(names)} files)\n"


def main() -> None:
    """
    Print both walks.
    """
    for title, walk in (
        ("One recorded event", walk_of_an_event()),
        ("One replayed request, until its head is sent", walk_of_a_request()),
    ):
        print(f"{title}: {walk.total}")
        for name, calls in walk.calls.items():
            print(f"  {calls:4d}  {name}")


if __name__ == "__main__":
    main()
