"""
The recipe of a recording: chunk, stamp, client first, then the cassette.

The chunks of one turn of the event loop go all to their clients, then all to the
recordings.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol

import aiohttp

from streamtape.core.model import EndReason, Response
from streamtape.core.recording import Recording
from streamtape.library.writer import CassetteWriter
from streamtape.server.clock import Clock
from streamtape.server.response import ResponseWriter
from streamtape.server.upstream.client import reason_of
from streamtape.server.upstream.tee import BrokenBodyError, Tee

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedLimits:
    """How much of an answer is still recorded when its client has left."""

    time_ns: int
    size_bytes: int


class Relay:
    """
    Carries the body of one answer from the upstream to the client and the tape.

    Args:
        writer: The client's side, its head not sent yet.
        start_ns: When the last byte of the request went upstream; the times of the
            recording count from then.
        response: The head as the client gets it.
        sink: None to forward without recording.
        batch: Where the chunks of all relays of this server meet.
        detached: How far to record on when the client has left; None not to.
    """

    def __init__(
        self,
        source: aiohttp.ClientResponse,
        writer: ResponseWriter,
        *,
        clock: Clock,
        start_ns: int,
        response: Response,
        sink: RecordingSink | None,
        batch: Batch,
        detached: DetachedLimits | None = None,
    ) -> None:
        self.reason = EndReason.CLIENT_GONE
        """How it ended; what it would be if the client left now while it runs."""
        self.has_ended = asyncio.Event()
        """Set once nothing more comes from the upstream or goes to the tape."""
        self._writer = writer
        self._clock = clock
        self._start_ns = start_ns
        self._response = response
        self._sink = sink
        self._batch = batch
        self._detached = None if sink is None else detached
        self._is_detached = False
        self._detached_bytes = 0
        on_chunk = partial(batch.add, self)
        came_ns = start_ns + response.offset_ns
        self._tee = Tee(source, clock, on_chunk, came_ns=came_ns)
        self._is_stopping = False
        self._failure: Exception | None = None

    @property
    def outlasts_client(self) -> bool:
        """
        Whether the recording goes on without its client, or would if that left now.
        """
        return self._is_detached or (
            self._detached is not None and not self._is_stopping
        )

    async def run(self, idle_limit_ns: int) -> None:
        """
        Carry the whole body; the client's answer and the tape end as it ended.

        Raises:
            CancelledError: The client left, or the server can't wait for it. The
                tape has its end all the same.
        """
        try:
            await self._writer.start()
            self._tee.start()
            if self._sink is not None:
                # No chunk gets to it before this turn of the loop is over.
                self._sink.begin(self._response)
            self.reason, detail = await self._carry(idle_limit_ns)
            self._end_sink(detail)
        except asyncio.CancelledError:
            self._writer.abort()
            self._end_sink(await self._carry_detached(idle_limit_ns))
            raise
        except BaseException:
            # No ending of the answer's: the recording stays a part.
            self.reason = EndReason.SHUTDOWN
            # Else an answer that says what went wrong would follow within this one.
            if self._writer.response.prepared:
                self._writer.abort()
            raise
        finally:
            self._tee.close()
            self.has_ended.set()
        await self._writer.finish(self.reason)

    def stop(self) -> None:
        """End at once, because the server stops."""
        self._is_stopping = True
        self._tee.close()

    def fail(self, error: Exception) -> None:
        """End because a chunk could not be sent or recorded."""
        if self._failure is None:
            log.error("a defect of streamtape itself ends an answer", exc_info=error)
            self._failure = error
        self._tee.close()

    def send(self, chunk: bytes) -> None:
        """Give a chunk to the client."""
        if self._failure is not None:
            return
        if self._is_detached:
            self._count_detached(len(chunk))
            return
        self._writer.write(chunk)
        if not self._writer.has_room:
            self._tee.pause()

    def record(self, chunk: bytes, at_ns: int) -> None:
        """Give a chunk, which the client has, to the tape."""
        if self._sink is not None and self._failure is None:
            self._sink.feed(chunk, at_ns - self._start_ns)

    async def _carry(self, idle_limit_ns: int) -> tuple[EndReason, str]:
        tee = self._tee
        while not tee.is_over:
            if tee.is_paused:
                # Whether the client keeps up is known when it has been sent all.
                self._batch.flush()
                await self._writer.drain()
                # The others have their turn, however much there is of this one.
                await asyncio.sleep(0)
                tee.resume()
                continue
            try:
                await tee.wait(idle_limit_ns)
            except TimeoutError:
                detail = f"nothing came from the upstream for {idle_limit_ns / 1e9:g} s"
                return EndReason.UPSTREAM_TIMEOUT, detail
        # What came last may fail yet.
        self._batch.flush()
        if self._failure is not None:
            name = type(self._failure).__name__
            return EndReason.SHUTDOWN, f"a defect of streamtape itself: {name}"
        if self._is_stopping:
            return EndReason.SHUTDOWN, "the proxy was stopped"
        return reason_of(tee.error), _detail(tee.error)

    async def _carry_detached(self, idle_limit_ns: int) -> str:
        """
        Record on without the client, within the limits; returns the ending's detail.
        """
        limits = self._detached
        has_begun = self._sink is not None and self._sink.has_begun
        if limits is None or not has_begun or self._is_stopping:
            self.reason = self._reason_of_departure()
            return ""
        self._is_detached = True
        log.info("a client has left; what it asked for is recorded to its end")
        try:
            async with asyncio.timeout(limits.time_ns / 1e9):
                reason, detail = await self._carry(idle_limit_ns)
        except TimeoutError:
            return f"the client left, and {limits.time_ns / 1e9:g} s were not enough"
        except asyncio.CancelledError:
            self.reason = self._reason_of_departure()
            return ""
        if self._detached_bytes > limits.size_bytes:
            return f"the client left, and {limits.size_bytes} bytes were not enough"
        self.reason = reason
        return detail

    def _reason_of_departure(self) -> EndReason:
        return EndReason.SHUTDOWN if self._is_stopping else EndReason.CLIENT_GONE

    def _count_detached(self, size: int) -> None:
        assert self._detached is not None
        self._detached_bytes += size
        if self._detached_bytes > self._detached.size_bytes:
            self._tee.close()

    def _end_sink(self, detail: str) -> None:
        self._batch.flush()
        if self._sink is None or not self._sink.has_begun:
            return
        offset_ns = self._clock.now_ns() - self._start_ns
        try:
            self._sink.end(self.reason, offset_ns, detail)
            if self.reason is EndReason.CLIENT_GONE:
                # Who leaves at the last word has had all.
                self.reason = self._sink.recording.reason or self.reason
        except Exception as error:
            # Without an end it stays a part, as if this process had been killed.
            self.fail(error)
            self.reason = EndReason.SHUTDOWN


def _detail(error: BaseException | None) -> str:
    match error:
        case None:
            return ""
        case BrokenBodyError():
            return str(error)
        case _:
            return "the connection to the upstream broke in the body"


class RecordingSink:
    """
    A recording and its file. Nothing is written before the answer has begun.
    """

    def __init__(self, recording: Recording, writer: CassetteWriter) -> None:
        self.recording = recording
        self.writer = writer
        self.has_begun = False
        """Whether there is anything that could end."""

    def begin(self, response: Response) -> None:
        """Write the head of the answer."""
        self.has_begun = True
        self.writer.write(self.recording.begin(response))

    def feed(self, chunk: bytes, offset_ns: int) -> None:
        """Write what is known of the body with this chunk, which may be nothing."""
        packed = self.recording.feed(chunk, offset_ns)
        if packed:
            self.writer.write(packed)

    def end(self, reason: EndReason, offset_ns: int, detail: str) -> None:
        """Write how the answer ended."""
        self.writer.write(self.recording.end(reason, offset_ns, detail=detail))


class Sink(Protocol):
    """Where the chunks of one stream go."""

    def send(self, chunk: bytes) -> None:
        """Give a chunk to the client."""

    def record(self, chunk: bytes, at_ns: int) -> None:
        """Give a chunk, which the client has, to the tape."""

    def fail(self, error: Exception) -> None:
        """Take note that one of the other two raised; ends this stream."""


class Batch:
    """
    Keeps clients from waiting for the recording of each other's streams.

    A chunk that comes alone is sent at once. When many streams have one in the same
    turn, the others are sent one after the other at the turn's end, and only then
    is anything recorded; a send between two recordings would cost thrice as much,
    because the client would have gone to sleep.

    What one stream raises ends that stream and no other.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: list[tuple[Sink, bytes, int]] = []

    def add(self, sink: Sink, chunk: bytes, at_ns: int) -> None:
        """Take a chunk and the time of its arrival."""
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
