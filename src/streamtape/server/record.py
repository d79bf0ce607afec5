"""
The recipe of a recording: chunk, stamp, client first, then the cassette.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import aiohttp

from streamtape.core.model import EndReason, Response
from streamtape.core.recording import Recording
from streamtape.library.writer import CassetteWriter
from streamtape.server.batch import Batch
from streamtape.server.clock import Clock
from streamtape.server.outlet import Outlet
from streamtape.server.tee import Tee
from streamtape.server.upstream import reason_of


@dataclass(slots=True, kw_only=True)
class Tape:
    """
    Where one recording goes.
    """

    recording: Recording
    writer: CassetteWriter


class Relay:
    """
    Carries the body of one answer from the upstream to the client and the tape.

    Args:
        outlet: The client's side, its head not sent yet.
        start_ns: When the request went upstream.
        response: The head as the client gets it.
        tape: None to forward without recording.
        batch: Where the chunks of all relays of this server meet.
    """

    def __init__(
        self,
        source: aiohttp.ClientResponse,
        outlet: Outlet,
        *,
        clock: Clock,
        start_ns: int,
        response: Response,
        tape: Tape | None,
        batch: Batch,
    ) -> None:
        self.reason = EndReason.CLIENT_GONE
        """How it ended; what it would be if the client left now while it runs."""
        self._outlet = outlet
        self._clock = clock
        self._start_ns = start_ns
        self._response = response
        self._tape = tape
        self._has_begun = False
        self._batch = batch
        self._tee = Tee(source, clock, partial(batch.add, self))
        self._is_stopping = False

    async def run(self, idle_limit_ns: int) -> None:
        """
        Carry the whole body; the client's answer and the tape end as it ended.
        """
        try:
            await self._outlet.start()
            self._tee.start()
            self._begin()
            self.reason, detail = await self._carry(idle_limit_ns)
            self._end_tape(detail)
        except asyncio.CancelledError:
            # The client's connection has gone, or the server can't wait for it.
            if self._is_stopping:
                self.reason = EndReason.SHUTDOWN
            self._end_tape("")
            self._outlet.abort()
            raise
        finally:
            self._tee.close()
        await self._outlet.finish(self.reason)

    def stop(self) -> None:
        """
        End at once, because the server stops.
        """
        self._is_stopping = True
        self._tee.close()

    async def _carry(self, idle_limit_ns: int) -> tuple[EndReason, str]:
        tee = self._tee
        while not tee.is_over:
            try:
                await tee.wait(idle_limit_ns)
            except TimeoutError:
                detail = f"nothing came from the upstream for {idle_limit_ns / 1e9:g} s"
                return EndReason.UPSTREAM_TIMEOUT, detail
            if tee.is_paused:
                await self._outlet.drain()
                tee.resume()
        if self._is_stopping:
            return EndReason.SHUTDOWN, "the proxy was stopped"
        return reason_of(tee.error), _detail(tee.error)

    def send(self, chunk: bytes) -> None:
        """
        Give a chunk to the client.
        """
        self._outlet.write(chunk)
        if not self._outlet.has_room:
            self._tee.pause()

    def record(self, chunk: bytes, at_ns: int) -> None:
        """
        Give a chunk, which the client has, to the tape.
        """
        if self._tape is None:
            return
        if not self._has_begun:
            self._begin()
        packed = self._tape.recording.feed(chunk, at_ns - self._start_ns)
        if packed:
            self._tape.writer.write(packed)

    def _begin(self) -> None:
        if self._tape is not None and not self._has_begun:
            self._has_begun = True
            self._tape.writer.write(self._tape.recording.begin(self._response))

    def _end_tape(self, detail: str) -> None:
        self._batch.flush()
        if self._tape is not None and self._has_begun:
            offset_ns = self._clock.now_ns() - self._start_ns
            packed = self._tape.recording.end(self.reason, offset_ns, detail=detail)
            self._tape.writer.write(packed)


def _detail(error: BaseException | None) -> str:
    return "" if error is None else "the connection to the upstream broke in the body"
