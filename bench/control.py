"""
An upstream that keeps to a schedule, by as little code as will do.

It is what gets recorded; and measured beside a replay by the same clients, it
shows how much of an error is the machine's and the clients' own.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

from bench.precise import precise_loop
from bench.streams import Stream, stream_events, stream_offsets_ns
from bench.wire import HEAD, frames


class _Answers(asyncio.Protocol):
    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._request = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now_s = self._loop.time()
        self._request += data
        stream = Stream.find(self._request)
        if stream is None:
            return
        self._closes = b"connection: close" in self._request.lower()
        self._request = b""
        due_s = [now_s + ns / 1e9 / self._speed for ns in stream_offsets_ns(stream)]
        self._due = zip(due_s, frames(stream_events(stream)), strict=True)
        self._transport.write(HEAD)
        self._send_due()

    def _send_due(self, late: bytes = b"") -> None:
        # One timer at a time: of several for the same moment any may go off first.
        batch = [late]
        for due_s, write in self._due:
            if due_s > self._loop.time():
                self._transport.write(b"".join(batch))
                self._loop.call_at(due_s, self._send_due, write)
                return
            batch.append(write)
        self._transport.write(b"".join(batch))
        if self._closes:
            self._transport.close()


async def _serve(speed: float) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(
        lambda: _Answers(speed), "127.0.0.1", 0, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stopped.wait()


if __name__ == "__main__":
    gc.disable()
    text = sys.argv[1]
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(_serve(float("inf") if text == "instant" else float(text)))
