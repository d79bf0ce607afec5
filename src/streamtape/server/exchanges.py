"""
One request after the guard: replayed, recorded, forwarded or refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from streamtape.core.matching import cassette_stem, request_key
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.modes import Action, RecordMode, decide
from streamtape.core.nearest import find_nearest, miss_message
from streamtape.core.pacing import Pacing
from streamtape.core.recording import Recording
from streamtape.core.redaction import CleanRequest, clean_request, replayed_headers
from streamtape.core.takes import Takes
from streamtape.errors import CassetteError, MissError, UpstreamUnreachableError
from streamtape.library.cache import CassetteCache
from streamtape.library.folder import Library
from streamtape.library.writer import CassetteWriter
from streamtape.server.answers import TOLD, TOLD_CASSETTE, add_cors
from streamtape.server.batch import Batch
from streamtape.server.clock import Clock, sleep_until_ns, wall_time
from streamtape.server.config import Config
from streamtape.server.outlet import Outlet, head
from streamtape.server.record import Relay, Tape
from streamtape.server.replay import play_cassette
from streamtape.server.rewrite import find_rewrite
from streamtape.server.upstream import Upstream, returned_headers

log = logging.getLogger(__name__)

_UNFINISHED = frozenset({EndReason.SHUTDOWN})
"""Endings of ours, not of the answer: such a recording takes no cassette's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A request that was let in, read to its end.
    """

    request: Request
    web_request: web.BaseRequest
    pacing: Pacing
    own_url: str
    """Our base URL as this client knows it."""


class Exchanges:
    """
    Answers requests from the library and the upstream, as the record mode says.

    Args:
        upstream: None in a server that only replays: it can open no connection.
    """

    def __init__(
        self, config: Config, library: Library, upstream: Upstream | None, clock: Clock
    ) -> None:
        self.config = config
        self._tally: Counter[str] = Counter()
        # What recordings turned out to be instead; the disk's thread alone counts it.
        self._otherwise: Counter[str] = Counter()
        self._library = library
        self._upstream = upstream
        self._clock = clock
        self._batch = Batch()
        self._cache = CassetteCache()
        self._takes = Takes(config.exhausted)
        self._began_empty = library.is_empty
        self._is_stopping = False
        self._relays: set[Relay] = set()
        self._commits: dict[str, Future[None]] = {}
        # One thread: takes of one key get their numbers in the order of their ends.
        self._disk = ThreadPoolExecutor(1, "streamtape-disk")

    @property
    def tally(self) -> dict[str, int]:
        """
        How many requests met which fate.
        """
        counted = self._tally + self._otherwise
        counted["recorded"] -= self._otherwise.total()
        return dict(+counted)

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """
        Answer one request to its end.

        Raises:
            MissError: Nothing recorded answers it, and nothing may be recorded.
            UpstreamError: The upstream gave no answer.
            CassetteError: The cassette that answers it can't be used.
        """
        arrived_ns = self._clock.now_ns()
        clean = clean_request(asked.request)
        key = request_key(clean)
        action, path = await self._decide(key)
        if path is not None:
            return await self._replay(asked, clean, path, arrived_ns)
        if action is Action.REFUSE:
            self._tally["miss"] += 1
            raise MissError(await asyncio.to_thread(self._explain_miss, clean, key))
        tape = None
        if action is Action.RECORD:
            tape = Tape(
                recording=Recording(clean, recorded_at=wall_time()),
                writer=CassetteWriter(self._library.folder, cassette_stem(clean, key)),
            )
        return await self._forward(asked, clean, key, tape)

    def stop(self) -> None:
        """
        End all recordings that run; their answers break off.
        """
        self._is_stopping = True
        for relay in self._relays:
            relay.stop()

    def close(self) -> None:
        """
        Wait until all is on the disk. Blocks.
        """
        self._disk.shutdown()

    async def _decide(self, key: str) -> tuple[Action, Path | None]:
        """
        Return what to do, and the cassette where that is to replay one.
        """
        mode, empty = self.config.mode, self._began_empty
        on_miss = decide(mode, library_empty=empty, hit=False)
        if on_miss is decide(mode, library_empty=empty, hit=True):
            return on_miss, None
        if (commit := self._commits.get(key)) is not None:
            # A client that leaves now must not take the commit with it.
            await asyncio.shield(asyncio.wrap_future(commit))
            if self._commits.get(key) is commit:
                del self._commits[key]
        if self._library.knows(key):
            paths = self._library.takes(key)
        else:
            # A large folder takes a while to look through; the streams go on.
            paths = await asyncio.to_thread(self._library.takes, key)
        index = self._takes.next(key, len(paths))
        if index is None:
            return on_miss, None
        return Action.REPLAY, paths[index]

    async def _replay(
        self, asked: Asked, clean: CleanRequest, path: Path, arrived_ns: int
    ) -> web.StreamResponse:
        name = self._library.name_of(path)
        with self._cache.open(path) as cassette:
            recorded = cassette.response
            if recorded is None:
                reason = "its recorder was killed before the answer began"
                raise CassetteError(reason, path=path)
            response = head(
                recorded.status, recorded.reason, replayed_headers(recorded.headers)
            )
            response.headers[TOLD_CASSETTE] = quote(name)
            outlet = self._outlet(asked, response, recorded, "replayed")
            ended = EndReason.CLIENT_GONE
            due_ns = asked.pacing.start()
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
            finally:
                if ended is EndReason.CLIENT_GONE and self._is_stopping:
                    ended = EndReason.SHUTDOWN
                self._tally["replayed"] += 1
                self._tell("replayed", name, clean, recorded.status, ended)
        return response

    async def _forward(
        self, asked: Asked, clean: CleanRequest, key: str, tape: Tape | None
    ) -> web.StreamResponse:
        assert self._upstream is not None
        start_ns = self._clock.now_ns()
        source = await self._upstream.send(asked.request)
        if self._is_stopping:
            source.close()
            message = "the proxy was stopped before the answer began"
            raise UpstreamUnreachableError(message)
        recorded = Response(
            status=source.status,
            reason=source.reason or "",
            headers=returned_headers(source, base_url=self._upstream.base_url),
            offset_ns=self._clock.now_ns() - start_ns,
        )
        response = head(recorded.status, recorded.reason, recorded.headers)
        told = "forwarded" if tape is None else "recorded"
        relay = Relay(
            source,
            self._outlet(asked, response, recorded, told),
            clock=self._clock,
            start_ns=start_ns,
            response=recorded,
            tape=tape,
            batch=self._batch,
        )
        self._relays.add(relay)
        try:
            await relay.run(self.config.idle_limit_ns)
        finally:
            self._relays.discard(relay)
            tell = partial(
                self._tell,
                request=clean,
                status=recorded.status,
                ended=relay.reason,
            )
            if tape is None:
                self._tally["forwarded"] += 1
                tell("forwarded", "")
            else:
                self._commit(tape.writer, key, relay.reason, tell)
        return response

    def _outlet(
        self, asked: Asked, response: web.StreamResponse, recorded: Response, told: str
    ) -> Outlet:
        response.headers[TOLD] = told
        add_cors(response, asked.web_request.headers.get("Origin"))
        rewrite = find_rewrite(
            asked.request.path, recorded.headers, own_url=asked.own_url
        )
        return Outlet(asked.web_request, response, rewrite=rewrite)

    def _commit(
        self,
        writer: CassetteWriter,
        key: str,
        ended: EndReason,
        tell: Callable[[str, str], None],
    ) -> None:
        """
        Have a recording named in the disk's thread, and tell it when that is done.
        """
        if ended in _UNFINISHED:
            writer.close()
            self._tally["unfinished"] += 1
            tell("unfinished", writer.stem)
            return

        def commit() -> None:
            if ended is EndReason.CLIENT_GONE and self._library.has_complete(key):
                # Whoever stops an app by Ctrl-C wants to keep what there was.
                writer.close()
                self._otherwise["unfinished"] += 1
                tell("unfinished", writer.stem)
                return
            path = self._library.commit(writer, key, replace=replace)
            if path is None:
                self._otherwise["lost"] += 1
            else:
                tell("recorded", self._library.name_of(path))

        self._tally["recorded"] += 1
        replace = self.config.mode is RecordMode.ALL
        pending = {k: each for k, each in self._commits.items() if not each.done()}
        self._commits = pending | {key: self._disk.submit(commit)}

    def _explain_miss(self, clean: CleanRequest, key: str) -> str:
        paths = self._library.takes(key)
        nearest: tuple[str, Request] | None
        if paths:
            nearest = (self._library.name_of(paths[0]), clean)
        else:
            nearest = find_nearest(clean, self._library.requests())
        return miss_message(
            clean,
            nearest,
            library=str(self._library.folder),
            exhausted_takes=len(paths) or None,
        )

    def _tell(
        self, told: str, name: str, request: Request, status: int, ended: EndReason
    ) -> None:
        log.info(
            "%s: %s %s %s%s",
            f"{told} {name}".rstrip(),
            request.method,
            request.path,
            status,
            "" if ended is EndReason.COMPLETE else f", {ended.replace('_', ' ')}",
        )
