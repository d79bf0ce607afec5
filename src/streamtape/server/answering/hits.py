"""
Answers from cassettes: opened, made sure of, played, and counted.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from streamtape.core.matching.key import request_key
from streamtape.core.matching.retries import NO_ANSWER, scale_waits
from streamtape.core.model import EndReason, Response
from streamtape.core.secrecy.heads import replayed_headers
from streamtape.errors import CassetteError, CassetteNotFoundError
from streamtape.library.cache import CassetteCache, Playable
from streamtape.server.answering.giving import open_outlet, tell
from streamtape.server.answering.outlet import Outlet
from streamtape.server.answering.replay import play_cassette
from streamtape.server.answers import TOLD_CASSETTE
from streamtape.server.asked import Asked, Question
from streamtape.server.clock import Clock, sleep_until_ns, wall_ns


class Hits:
    """
    Replays the cassettes of one server.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cache = CassetteCache(wall_ns)
        self._is_stopping = False

    def stop(self) -> None:
        """
        Let answers that break off from now on do so because the server stops.
        """
        self._is_stopping = True

    async def status_of(self, path: Path) -> int:
        """
        Return the status that a cassette answers with.

        Raises:
            CassetteNotFoundError: There is none any more.
        """
        try:
            with await self._open(path) as cassette:
                response = cassette.response
                return NO_ANSWER if response is None else response.status
        except CassetteNotFoundError:
            raise
        except CassetteError:
            return NO_ANSWER

    async def replay(
        self, asked: Asked, question: Question, path: Path
    ) -> web.StreamResponse:
        """
        Answer a request from a cassette to its end; its times count from when the
        request was here.

        Raises:
            CassetteNotFoundError: It is gone, or holds another request by now.
            CassetteError: It can't be played.
        """
        name = asked.scope.name_of(path)
        with await self._open(path) as cassette:
            answer = _answer_of(cassette, asked, question, path)
            outlet = open_outlet(asked, answer, "replayed")
            told_name = quote(name, errors="surrogateescape")
            outlet.response.headers[TOLD_CASSETTE] = told_name
            asked.scope.tally.used.add(path)
            question.exchange.told, question.exchange.path = "replayed", path
            ended = EndReason.CLIENT_GONE
            try:
                ended = await self._play(cassette, outlet, asked, answer)
                took_ns = self._clock.now_ns() - asked.arrived_ns
                asked.scope.tally.add_play(path, took_ns)
            finally:
                if ended is EndReason.CLIENT_GONE and self._is_stopping:
                    ended = EndReason.SHUTDOWN
                asked.scope.tally.count("replayed")
                tell("replayed", name, question.clean, answer.status, ended)
        return outlet.response

    async def _play(
        self, cassette: Playable, outlet: Outlet, asked: Asked, answer: Response
    ) -> EndReason:
        due_ns, start_ns = asked.policy.pacing.start(), asked.arrived_ns
        await sleep_until_ns(self._clock, start_ns + due_ns(answer.offset_ns))
        await outlet.start()
        return await play_cassette(
            cassette, outlet, clock=self._clock, due_ns=due_ns, start_ns=start_ns
        )

    async def _open(self, path: Path) -> AbstractContextManager[Playable]:
        if self._cache.is_long(path):
            # No other stream waits until this one is known to be sound to its end.
            await asyncio.to_thread(self._cache.verify, path)
        return self._cache.open(path)


def _answer_of(
    cassette: Playable, asked: Asked, question: Question, path: Path
) -> Response:
    """
    Return the head that a cassette answers a request with.

    Raises:
        CassetteNotFoundError: It holds another request by now.
        CassetteError: It has no answer.
    """
    request = cassette.request
    # One that differs may have the same key: its body may be spelled in another way.
    if request != question.clean and (
        request_key(request, asked.policy.rules) != question.key
    ):
        raise CassetteNotFoundError("it was replaced by another", path=path)
    recorded = cassette.response
    if recorded is None:
        reason = "its recorder was killed before the answer began"
        raise CassetteError(reason, path=path)
    headers = replayed_headers(recorded.headers)
    return replace(recorded, headers=scale_waits(headers, asked.policy.pacing.speed))
