"""
The recipe of a replay: due times, deadline by deadline, to the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from streamtape.core.model import EndReason, Part
from streamtape.core.streams.sse import encode_event
from streamtape.errors import CassetteError
from streamtape.library.cache import Playable
from streamtape.server.answering.outlet import Outlet
from streamtape.server.answers import error_body
from streamtape.server.clock import Clock, Timer, sleep_until_ns

_BATCH_BYTES: Final = 64 * 1024
"""How much is written before asking whether the client keeps up."""


class Player:
    """
    Sends parts when they are due, each counted from the start.

    Parts that are due at the same time, or late, go out together and at once; none
    is ever skipped or reordered. No task waits for each part: a timer calls back.

    Args:
        parts: The recorded parts, read as they are needed.
        due_ns: From a recorded offset to its time after the start.
        start_ns: When the replay began, on the clock.
        write: Takes the bytes.
        has_room: Whether the client keeps up.
    """

    def __init__(
        self,
        parts: Iterator[Part],
        *,
        clock: Clock,
        due_ns: Callable[[int], int],
        start_ns: int,
        write: Callable[[bytes], None],
        has_room: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._due_ns = due_ns
        self._start_ns = start_ns
        self._write = write
        self._has_room = has_room
        self._changed = asyncio.Event()
        self._error: Exception | None = None
        self._timer: Timer | None = None
        self._at_ns = start_ns
        self._next = self._read_next()

    async def play(self, drain: Callable[[], Awaitable[None]]) -> None:
        """
        Send all parts; returns when the last is sent.

        Args:
            drain: Waits until there is room again.

        Raises:
            Exception: What reading raised, such as a CassetteError because of damage,
                behind all that came before; or what writing raised.
        """
        while self._next is not None:
            self._changed.clear()
            self._send_due()
            try:
                await self._changed.wait()
            finally:
                if self._timer is not None:
                    self._timer.cancel()
            await drain()
        if self._error is not None:
            raise self._error

    def _send_due(self) -> None:
        """
        Send what is due now and set the timer for what comes next.
        """
        try:
            self._send_batch()
        except Exception as error:
            # The timer has nobody to tell.
            self._error, self._next = error, None
            self._changed.set()

    def _send_batch(self) -> None:
        now_ns = self._clock.now_ns()
        batch: list[bytes] = []
        size = 0
        while self._next is not None and self._at_ns <= now_ns and size < _BATCH_BYTES:
            batch.append(self._next.raw)
            size += len(self._next.raw)
            self._next = self._read_next()
        if batch:
            self._write(b"".join(batch))
        if self._next is None or not self._has_room():
            self._changed.set()
        else:
            self._timer = self._clock.call_at_ns(self._at_ns, self._send_due)

    def _read_next(self) -> Part | None:
        try:
            part = next(self._parts, None)
        except Exception as error:
            self._error = error
            return None
        if part is not None:
            self._at_ns = self._start_ns + self._due_ns(part.offset_ns)
        return part


async def play_cassette(
    cassette: Playable,
    outlet: Outlet,
    *,
    clock: Clock,
    due_ns: Callable[[int], int],
    start_ns: int,
) -> EndReason:
    """
    Give a client the body and the ending of a cassette whose head it has.

    Returns how it ended. A cassette that turns out to be damaged ends in an error
    event and a broken connection, never as if it were whole.
    """
    player = Player(
        cassette.parts(),
        clock=clock,
        due_ns=due_ns,
        start_ns=start_ns,
        write=outlet.write,
        has_room=lambda: outlet.has_room,
    )
    try:
        await player.play(outlet.drain)
    except CassetteError as error:
        outlet.write(encode_event(error_body(error), name="error"))
        await outlet.finish(EndReason.UPSTREAM_CUT)
        return EndReason.DISK_ERROR
    except BaseException:
        # The client has left, or a second answer would follow in this one's body.
        outlet.abort()
        raise
    ending = cassette.ending
    await sleep_until_ns(clock, start_ns + due_ns(ending.offset_ns))
    await outlet.finish(ending.reason)
    return ending.reason
