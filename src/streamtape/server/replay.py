"""
The recipe of a replay: a cassette is opened, made sure of, played and counted.

Each part is sent at its due time, deadline by deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from aiohttp import web

from streamtape.core.matching.takes import is_retried, scale_waits
from streamtape.core.model import EndReason, Part, Response
from streamtape.core.redaction.headers import replayed_headers
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.sse import encode_event
from streamtape.errors import CassetteError, CassetteNotFoundError
from streamtape.library.cache import CassetteCache, Playable
from streamtape.server.answers import CASSETTE_HEADER, error_body
from streamtape.server.clock import Clock, Timer, sleep_until_ns, wall_ns
from streamtape.server.request import MatchQuery, RequestContext
from streamtape.server.response import ResponseWriter, log_outcome, open_response

_MOST_HEADERS: Final = 1024
"""Lists of headers of which it is known what a client may see."""


class Found(NamedTuple):
    """A cassette that answers a request."""

    path: Path
    key: str
    """The match key that it was found by."""


class Replayer:
    """Replays the cassettes of one server."""

    def __init__(self, clock: Clock, secrets: Secrets) -> None:
        self._clock = clock
        self._secrets = secrets
        self._cache = CassetteCache(wall_ns)
        # Most answers of a library have one of a few lists of headers.
        self._shown_headers = lru_cache(_MOST_HEADERS)(
            partial(replayed_headers, secrets=secrets)
        )
        self._is_stopping = False

    def stop(self) -> None:
        """Let answers that break off from now on do so because the server stops."""
        self._is_stopping = True

    async def replay(
        self, context: RequestContext, query: MatchQuery, found: Found
    ) -> web.StreamResponse:
        """
        Answer a request from a cassette to its end; its times count from when the
        request was here.

        Raises:
            CassetteNotFoundError: It is gone, or holds another request by now.
            CassetteError: It can't be played.
        """
        path = found.path
        name = context.scope.name_of(path)
        with await self._open(path) as cassette:
            if not query.is_of(cassette.request, found.key):
                raise CassetteNotFoundError("it was replaced by another", path=path)
            answer = self._answer_of(cassette, path, context.policy.pacing.speed)
            writer = open_response(context, answer, "replayed")
            printable = quote(name, errors="surrogateescape")
            writer.response.headers[CASSETTE_HEADER] = printable
            context.scope.tally.used.add(path)
            query.interaction.outcome, query.interaction.path = "replayed", path
            ended = EndReason.CLIENT_GONE
            try:
                ended = await self._play(cassette, writer, context, answer)
                took_ns = self._clock.now_ns() - context.arrived_ns
                context.scope.tally.add_play(path, took_ns)
            finally:
                if ended is EndReason.CLIENT_GONE and self._is_stopping:
                    ended = EndReason.SHUTDOWN
                context.scope.tally.count("replayed")
                log_outcome("replayed", name, cassette.request, answer.status, ended)
        return writer.response

    async def _play(
        self,
        cassette: Playable,
        writer: ResponseWriter,
        context: RequestContext,
        answer: Response,
    ) -> EndReason:
        due_ns, start_ns = context.policy.pacing.start(), context.arrived_ns
        await sleep_until_ns(self._clock, start_ns + due_ns(answer.offset_ns))
        await writer.start()
        return await play_cassette(
            cassette,
            writer,
            self._secrets,
            clock=self._clock,
            due_ns=due_ns,
            start_ns=start_ns,
        )

    def _answer_of(self, cassette: Playable, path: Path, speed: float) -> Response:
        """
        Return the head that a cassette answers with at some speed.

        Raises:
            CassetteError: It has no answer.
        """
        recorded = cassette.response
        if recorded is None:
            reason = "its recorder was killed before the answer began"
            raise CassetteError(reason, path=path)
        headers = self._shown_headers(recorded.headers)
        if is_retried(recorded.status):
            # Of any other answer the header says something, and nobody waits for it.
            headers = scale_waits(headers, speed)
        return replace(recorded, headers=headers)

    async def _open(self, path: Path) -> AbstractContextManager[Playable]:
        if self._cache.is_long(path):
            # No other stream waits until this one is known to be sound to its end.
            await asyncio.to_thread(self._cache.verify, path)
        return self._cache.open(path)


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
                after all that came before; or what writing raised.
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
        """Send what is due now and set the timer for what comes next."""
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
    writer: ResponseWriter,
    secrets: Secrets,
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
        write=writer.write,
        has_room=lambda: writer.has_room,
    )
    try:
        await player.play(writer.drain)
    except CassetteError as error:
        writer.write(encode_event(error_body(error, secrets), name="error"))
        await writer.finish(EndReason.UPSTREAM_CUT)
        return EndReason.DISK_ERROR
    except BaseException:
        # The client has left, or a second answer would follow in this one's body.
        writer.abort()
        raise
    ending = cassette.ending
    await sleep_until_ns(clock, start_ns + due_ns(ending.offset_ns))
    await writer.finish(ending.reason)
    return ending.reason
