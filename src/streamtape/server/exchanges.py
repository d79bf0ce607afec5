"""
One request after the guard: replayed, recorded, forwarded or refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from streamtape.core.matching.key import request_key
from streamtape.core.matching.names import cassette_stem
from streamtape.core.matching.retries import scale_waits, without_retries
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.modes import Action, OnDisconnect, decide
from streamtape.core.recording import Recording
from streamtape.core.secrecy.heads import replayed_headers
from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    MissError,
    UpstreamError,
    UpstreamUnreachableError,
    UsageError,
)
from streamtape.library.cache import CassetteCache, Playable
from streamtape.library.writer import CassetteWriter
from streamtape.server.answers import TOLD, TOLD_CASSETTE, add_cors
from streamtape.server.asked import Asked, Question, read_question
from streamtape.server.batch import Batch
from streamtape.server.clock import Clock, sleep_until_ns, wall_ns, wall_time
from streamtape.server.config import Config, Policy
from streamtape.server.forwarding.rewrite import find_rewrite, in_scope
from streamtape.server.forwarding.upstream import returned_headers
from streamtape.server.misses import report_miss
from streamtape.server.outlet import Outlet, head
from streamtape.server.record import AloneLimits, Relay, Tape
from streamtape.server.replay import play_cassette
from streamtape.server.state.commits import Commits
from streamtape.server.state.scopes import Scopes
from streamtape.server.state.upstreams import Upstreams

log = logging.getLogger(__name__)

_LOOKS = 4
"""How often a library that changes under our hands is looked at for one request."""

_NO_ANSWER = 599
"""Stands for the status of a take that can't be played: a failure like others."""


class Exchanges:
    """
    Answers requests from the library and the upstream, as the record mode says.

    Args:
        upstreams: They have none in a server that only replays: it can open no
            connection.
    """

    def __init__(
        self, config: Config, scopes: Scopes, upstreams: Upstreams, clock: Clock
    ) -> None:
        self.config = config
        self.scopes = scopes
        self._upstreams = upstreams
        self._clock = clock
        self._batch = Batch()
        self._cache = CassetteCache(wall_ns)
        self._commits = Commits()
        self._is_stopping = False
        self._relays: set[Relay] = set()

    def can_forward(self, policy: Policy) -> bool:
        """
        Whether a policy has an upstream.
        """
        return self._upstreams.has_one_for(policy)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """
        Answer one request to its end.

        Raises:
            MissError: Nothing recorded answers it, and nothing may be recorded.
            UpstreamError: The upstream gave no answer.
            CassetteError: The cassette that answers it can't be used.
            UsageError: A pattern of the project takes too long on it.
        """
        arrived_ns = self._clock.now_ns()
        if not asked.scope.is_open:
            await asyncio.to_thread(asked.scope.open)
        try:
            question = read_question(asked, limit_bytes=self.config.body_limit_bytes)
            for _ in range(_LOOKS):
                with contextlib.suppress(CassetteNotFoundError):
                    return await self._answer(asked, question, arrived_ns)
                # It was taken away, replaced or given its name behind our look.
            return await self._refuse(asked, question)
        except (CassetteError, UsageError):
            asked.scope.tally.count("error")
            raise

    async def _answer(
        self, asked: Asked, question: Question, arrived_ns: int
    ) -> web.StreamResponse:
        scope, clean, seen = asked.scope, question.clean, question.seen
        action, path = await self._decide(asked, question)
        if path is not None:
            try:
                return await self._replay(asked, question, path, arrived_ns)
            except CassetteNotFoundError:
                scope.takes.give_back(question.key)
                raise
        if action is Action.REFUSE:
            return await self._refuse(asked, question)
        tape = None
        if action is Action.RECORD:
            assert seen is not None
            tape = Tape(
                recording=Recording(
                    clean,
                    recorded_at=wall_time(),
                    match_key=question.default_key,
                ),
                writer=CassetteWriter(scope.library.folder, cassette_stem(seen)),
            )
        try:
            return await self._forward(asked, question, tape)
        except UpstreamError:
            question.exchange.told = "failed"
            scope.tally.count("failed")
            raise

    async def _refuse(self, asked: Asked, question: Question) -> web.StreamResponse:
        assert question.seen is not None
        tally = asked.scope.tally
        question.exchange.told = "miss"
        tally.count("miss")
        report = await asyncio.to_thread(
            report_miss, asked.scope, question.clean, question.seen, question.key
        )
        tally.add_miss(question.key, report)
        raise MissError(str(report))

    def settle(self) -> None:
        """
        Wait until what was recorded so far has its name. Blocks.
        """
        self._commits.wait()

    def reset(self, name: str) -> None:
        """
        Begin a new run in one scope, or in all of them if the name is empty. Blocks.
        """
        # What the last run recorded belongs to that run.
        self.settle()
        self.scopes.reset(name)

    def stop(self) -> None:
        """
        End all recordings that run; their answers break off.
        """
        self._is_stopping = True
        for relay in self._relays:
            relay.stop()

    async def wait_for_leavers(self) -> None:
        """
        Wait until the answers have ended that would be recorded on without a client.
        """
        for relay in [each for each in self._relays if each.finishes_alone]:
            await relay.has_ended.wait()

    async def wait_for_those_alone(self) -> None:
        """
        Wait until the recordings have ended whose clients have left.

        Call it behind :meth:`stop`: nobody else waits for them.
        """
        for relay in [each for each in self._relays if each.is_alone]:
            # It hands its recording over to be named in the same turn.
            await relay.has_ended.wait()

    def close(self) -> None:
        """
        Wait until all is on the disk. Blocks.
        """
        self._commits.close()

    async def _decide(
        self, asked: Asked, question: Question
    ) -> tuple[Action, Path | None]:
        """
        Return what to do, and the cassette where that is to replay one.
        """
        scope, mode = asked.scope, asked.policy.mode
        on_miss = decide(mode, library_empty=scope.began_empty, hit=False)
        if on_miss is decide(mode, library_empty=scope.began_empty, hit=True):
            return on_miss, None
        key = question.key
        await self._commits.settle(scope, key)
        paths = scope.library.find_takes(key)
        if paths is None:
            # A large folder takes a while to look through; the streams go on.
            paths = await asyncio.to_thread(scope.library.takes, key, question.clean)
        if asked.policy.collapse_retries and len(paths) > 1:
            statuses = [await self._status_of(path) for path in paths]
            # What is skipped was needed once: nobody should take it away as unused.
            scope.tally.used.update(paths)
            paths = [paths[index] for index in without_retries(statuses)]
        index = scope.takes.next(key, len(paths))
        if index is None:
            return on_miss, None
        return Action.REPLAY, paths[index]

    async def _status_of(self, path: Path) -> int:
        try:
            with await self._open(path) as cassette:
                response = cassette.response
                return _NO_ANSWER if response is None else response.status
        except CassetteNotFoundError:
            raise
        except CassetteError:
            return _NO_ANSWER

    async def _open(self, path: Path) -> AbstractContextManager[Playable]:
        if self._cache.is_long(path):
            # No other stream waits until this one is known to be sound to its end.
            await asyncio.to_thread(self._cache.verify, path)
        return self._cache.open(path)

    async def _replay(
        self, asked: Asked, question: Question, path: Path, arrived_ns: int
    ) -> web.StreamResponse:
        scope, pacing = asked.scope, asked.policy.pacing
        name = scope.name_of(path)
        with await self._open(path) as cassette:
            if cassette.request != question.clean and not _answers(
                cassette.request, asked, question
            ):
                raise CassetteNotFoundError("it was replaced by another", path=path)
            recorded = cassette.response
            if recorded is None:
                reason = "its recorder was killed before the answer began"
                raise CassetteError(reason, path=path)
            headers = scale_waits(replayed_headers(recorded.headers), pacing.speed)
            headers = in_scope(headers, asked.own_url)
            response = head(recorded.status, recorded.reason, headers)
            response.headers[TOLD_CASSETTE] = quote(name, errors="surrogateescape")
            outlet = self._outlet(asked, response, recorded, "replayed")
            ended = EndReason.CLIENT_GONE
            due_ns = pacing.start()
            scope.tally.used.add(path)
            question.exchange.told, question.exchange.path = "replayed", path
            try:
                await sleep_until_ns(
                    self._clock, arrived_ns + due_ns(recorded.offset_ns)
                )
                await outlet.start()
                ended = await play_cassette(
                    cassette,
                    outlet,
                    clock=self._clock,
                    due_ns=due_ns,
                    start_ns=arrived_ns,
                )
                scope.tally.add_play(path, self._clock.now_ns() - arrived_ns)
            finally:
                if ended is EndReason.CLIENT_GONE and self._is_stopping:
                    ended = EndReason.SHUTDOWN
                scope.tally.count("replayed")
                _tell("replayed", name, question.clean, recorded.status, ended)
        return response

    async def _forward(
        self, asked: Asked, question: Question, tape: Tape | None
    ) -> web.StreamResponse:
        scope, clean = asked.scope, question.clean
        upstream = self._upstreams.get(asked.policy)
        start_ns = self._clock.now_ns()
        source = await upstream.send(asked.request)
        if self._is_stopping:
            source.close()
            message = "the proxy was stopped before the answer began"
            raise UpstreamUnreachableError(message)
        recorded = Response(
            status=source.status,
            reason=source.reason or "",
            headers=returned_headers(source, base_url=upstream.base_url),
            offset_ns=self._clock.now_ns() - start_ns,
        )
        headers = in_scope(recorded.headers, asked.own_url)
        response = head(recorded.status, recorded.reason, headers)
        told = "forwarded" if tape is None else "recorded"
        question.exchange.told = told
        relay = Relay(
            source,
            self._outlet(asked, response, recorded, told),
            clock=self._clock,
            start_ns=start_ns,
            response=recorded,
            tape=tape,
            batch=self._batch,
            alone=self._alone_limits(asked.policy),
        )
        self._relays.add(relay)
        try:
            await relay.run(self.config.idle_limit_ns)
        finally:
            self._relays.discard(relay)
            tell = partial(
                _tell, request=clean, status=recorded.status, ended=relay.reason
            )
            if tape is None:
                scope.tally.count("forwarded")
                tell("forwarded", "")
            else:
                self._commits.submit(
                    scope,
                    tape.recording,
                    tape.writer,
                    question.key,
                    mode=asked.policy.mode,
                    ended=relay.reason,
                    exchange=question.exchange,
                    tell=tell,
                )
        return response

    def _alone_limits(self, policy: Policy) -> AloneLimits | None:
        if policy.on_disconnect is OnDisconnect.STOP:
            return None
        config = self.config
        return AloneLimits(
            time_ns=config.alone_limit_ns, size_bytes=config.alone_limit_bytes
        )

    def _outlet(
        self, asked: Asked, response: web.StreamResponse, recorded: Response, told: str
    ) -> Outlet:
        response.headers[TOLD] = told
        add_cors(response, asked.web_request.headers.get("Origin"))
        rewrite = find_rewrite(
            asked.request.path, recorded.headers, own_url=asked.own_url
        )
        return Outlet(asked.web_request, response, rewrite=rewrite)


def _answers(request: Request, asked: Asked, question: Question) -> bool:
    return request_key(request, asked.policy.rules) == question.key


def _tell(
    told: str, name: str, request: Request, status: int, ended: EndReason
) -> None:
    # A file's name may hold bytes that are no text, which not every log can take.
    printable = name.encode(errors="backslashreplace").decode()
    log.info(
        "%s: %s %s %s%s",
        f"{told} {printable}".rstrip(),
        request.method,
        request.path,
        status,
        "" if ended is EndReason.COMPLETE else f", {ended.replace('_', ' ')}",
    )
