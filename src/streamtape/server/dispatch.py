"""One request after the guard: replayed, recorded, forwarded or refused."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from streamtape.core.modes import Action, decide
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import (
    CassetteNotFoundError,
    MissError,
    UpstreamError,
    UpstreamIsStreamtapeError,
)
from streamtape.server.clock import Clock
from streamtape.server.commits import Commits
from streamtape.server.config import Config
from streamtape.server.forward import Forwarder, Upstreams
from streamtape.server.misses import MissExplainer
from streamtape.server.replay import Found, Replayer
from streamtape.server.request import MatchQuery, RequestContext
from streamtape.server.scopes import Scope, Scopes
from streamtape.settings import Policy

_LOOKS = 4
"""How often a library that changes under our hands is looked at for one request."""


class Dispatcher:
    """
    Answers requests from the library and the upstream, as the record mode says.

    Args:
        upstreams: They have none in a server that only replays: it can open no
            connection.
    """

    def __init__(
        self,
        config: Config,
        scopes: Scopes,
        upstreams: Upstreams,
        clock: Clock,
        secrets: Secrets,
    ) -> None:
        self.config = config
        self.scopes = scopes
        self.secrets = secrets
        self._records = not config.replays_only
        self._commits = Commits(secrets)
        self._replayer = Replayer(clock, secrets)
        self._misses = MissExplainer(secrets)
        self._forwarder = Forwarder(config, upstreams, self._commits, clock, secrets)

    def can_forward(self, policy: Policy) -> bool:
        """Whether a policy has an upstream."""
        return self._forwarder.has_upstream_for(policy)

    async def answer(self, context: RequestContext) -> web.StreamResponse:
        """
        Answer one request to its end.

        Raises:
            MissError: Nothing recorded answers it, and nothing may be recorded.
            UpstreamError: The upstream gave no answer.
            CassetteError: The cassette that answers it can't be used.
            UsageError: A pattern of the project takes too long on it.
        """
        if not context.scope.is_open:
            await asyncio.to_thread(context.scope.open)
        try:
            query = MatchQuery(
                context, self.secrets, limit_bytes=self.config.body_limit_bytes
            )
            for attempt in range(_LOOKS):
                with contextlib.suppress(CassetteNotFoundError):
                    return await self._answer(context, query, looks_anew=attempt > 0)
                # It was taken away, replaced or given its name behind our look.
            return await self._refuse(context, query)
        except Exception as error:
            # Whatever is said of it from here on must not say its secrets.
            self.secrets.remember_request(context.request)
            if not isinstance(error, (MissError, UpstreamError, ConnectionError)):
                # Those are counted, or nobody is there for an answer any more. A
                # defect of ours is not: nothing may look as if it had not been asked.
                context.scope.tally.count("error")
            raise

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
        """End all answers that run; they break off."""
        self._replayer.stop()
        self._forwarder.stop()

    async def wait_for_detached(self) -> None:
        """
        Wait until the recordings have ended that need no client.

        Behind :meth:`stop`, those are the ones whose clients have left.
        """
        await self._forwarder.wait_for_detached()

    def close(self) -> None:
        """
        Wait until all is on the disk, and end the run. Blocks.
        """
        self._commits.close()
        for scope in self.scopes.all():
            scope.end()

    async def _answer(
        self, context: RequestContext, query: MatchQuery, *, looks_anew: bool
    ) -> web.StreamResponse:
        scope = context.scope
        action, found = await self._decide(context, query, looks_anew=looks_anew)
        if found is not None:
            try:
                return await self._replayer.replay(context, query, found)
            except CassetteNotFoundError:
                scope.takes.give_back(found.key)
                raise
        if action is Action.REFUSE:
            return await self._refuse(context, query)
        try:
            return await self._forwarder.forward(
                context, query, is_recorded=action is Action.RECORD
            )
        except UpstreamError as error:
            query.interaction.outcome = "failed"
            scope.tally.count("failed")
            if isinstance(error, UpstreamIsStreamtapeError):
                # No later answer makes it good.
                scope.tally.failures[str(error)] = None
            raise

    async def _refuse(
        self, context: RequestContext, query: MatchQuery
    ) -> web.StreamResponse:
        tally = context.scope.tally
        query.interaction.outcome = "miss"
        tally.count("miss")
        report = await asyncio.to_thread(
            self._misses.explain, context.scope, query.clean, query.match_input
        )
        tally.add_miss(query.key, report)
        raise MissError(str(report))

    async def _decide(
        self, context: RequestContext, query: MatchQuery, *, looks_anew: bool
    ) -> tuple[Action, Found | None]:
        """
        Return what to do, and the cassette where that is to replay one.

        Args:
            looks_anew: Whether what is known of the folder was not true any more.
        """
        scope, mode = context.scope, context.policy.mode
        on_miss = decide(mode, library_empty=scope.began_empty, hit=False)
        on_hit = decide(mode, library_empty=scope.began_empty, hit=True)
        if on_miss is on_hit:
            return on_miss, None
        if self._records:
            await self._commits.settle(scope, query.key)
        found = None if looks_anew else _find_known(scope, query)
        if found is None:
            # A large folder takes a while to look through; the streams go on.
            paths = await asyncio.to_thread(scope.find_answers, query.key)
            index = scope.takes.next(query.key, len(paths))
            if index is None:
                return on_miss, None
            found = Found(paths[index], query.key)
        return on_hit, found


def _find_known(scope: Scope, query: MatchQuery) -> Found | None:
    """Return the take whose turn it is, of those that are known from the last look."""
    for key in query.keys:
        paths = scope.library.known_takes(key)
        if len(paths) > 1 and scope.policy.collapse_retries:
            # Which of them are skipped stands in the cassettes.
            return None
        index = scope.takes.next(key, len(paths))
        if index is not None:
            return Found(paths[index], key)
    return None
