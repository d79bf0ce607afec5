"""
Answers of the upstream: carried to their clients, and recorded if they are to be.

There is one upstream for all scopes, unless one has its own.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import Response
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.recording import Recording
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import UpstreamUnreachableError
from streamtape.server.clock import Clock, wall_time
from streamtape.server.commits import Commits, Ended
from streamtape.server.config import Config
from streamtape.server.record import Batch, DetachedLimits, RecordingSink, Relay
from streamtape.server.request import MatchQuery, RequestContext
from streamtape.server.response import log_outcome, open_response
from streamtape.server.upstream.client import TimedResponse, Upstream
from streamtape.server.upstream.headers import returned_headers
from streamtape.settings import Policy


class Forwarder:
    """
    Forwards requests of one server, and knows which of their answers run.

    Args:
        upstreams: They have none in a server that only replays: it can open no
            connection.
        commits: Where recordings go when they have ended.
    """

    def __init__(
        self,
        config: Config,
        upstreams: Upstreams,
        commits: Commits,
        clock: Clock,
        secrets: Secrets,
    ) -> None:
        self._config = config
        self._upstreams = upstreams
        self._commits = commits
        self._clock = clock
        self._secrets = secrets
        self._batch = Batch()
        self._is_stopping = False
        self._relays: set[Relay] = set()

    def has_upstream_for(self, policy: Policy) -> bool:
        """Whether requests may be forwarded at all under a policy."""
        return self._upstreams.has_one_for(policy)

    def stop(self) -> None:
        """End all answers that run; they break off."""
        self._is_stopping = True
        for relay in self._relays:
            relay.stop()

    async def wait_for_detached(self) -> None:
        """
        Wait until the recordings have ended that need no client.

        Behind :meth:`stop`, those are the ones whose clients have left: nobody else
        waits for them.
        """
        for relay in [each for each in self._relays if each.outlasts_client]:
            # It hands its recording over to be named in the same turn.
            await relay.has_ended.wait()

    async def forward(
        self, context: RequestContext, query: MatchQuery, *, is_recorded: bool
    ) -> web.StreamResponse:
        """
        Answer a request from the upstream to the answer's end.

        Raises:
            UpstreamError: The upstream gave no answer.
        """
        sink = None
        if is_recorded:
            sink = _new_sink(context, query, self._secrets)
            context.scope.tally.begin_recording(query.key)
        upstream = self._upstreams.get(context.policy)
        source = await upstream.send(context.request)
        if self._is_stopping:
            source.close()
            message = "the proxy was stopped before the answer began"
            raise UpstreamUnreachableError(message)
        answer = Response(
            status=source.status,
            reason=source.reason or "",
            headers=returned_headers(source, base_url=upstream.base_url),
            offset_ns=source.arrived_ns - source.sent_ns,
        )
        response = await self._carry(context, query, source, answer, sink)
        # The client has its answer. If the disk can't keep up, its next one waits.
        await self._commits.keep_up()
        return response

    async def _carry(
        self,
        context: RequestContext,
        query: MatchQuery,
        source: TimedResponse,
        answer: Response,
        sink: RecordingSink | None,
    ) -> web.StreamResponse:
        outcome = query.interaction.outcome = (
            "forwarded" if sink is None else "recorded"
        )
        writer = open_response(context, answer, outcome)
        relay = Relay(
            source,
            writer,
            clock=self._clock,
            start_ns=source.sent_ns,
            response=answer,
            sink=sink,
            batch=self._batch,
            detached=self._detached_limits(context.policy),
        )
        self._relays.add(relay)
        try:
            await relay.run(self._config.idle_limit_ns)
        finally:
            self._relays.discard(relay)
            self._close(relay, context, query, answer, sink)
        return writer.response

    def _close(
        self,
        relay: Relay,
        context: RequestContext,
        query: MatchQuery,
        answer: Response,
        sink: RecordingSink | None,
    ) -> None:
        """
        Count and tell what became of an answer, which may take until it has its name.
        """
        outcome = partial(
            log_outcome, request=query.clean, status=answer.status, ended=relay.reason
        )
        if sink is None:
            context.scope.tally.count("forwarded")
            outcome("forwarded", "")
            return
        ended = Ended(
            scope=context.scope,
            recording=sink.recording,
            writer=sink.writer,
            key=query.key,
            replaces=context.policy.mode is RecordMode.ALL,
            reason=relay.reason,
            interaction=query.interaction,
            log_outcome=outcome,
        )
        self._commits.submit(ended)

    def _detached_limits(self, policy: Policy) -> DetachedLimits | None:
        if policy.on_disconnect is OnDisconnect.STOP:
            return None
        config = self._config
        return DetachedLimits(
            time_ns=config.detached_limit_ns, size_bytes=config.detached_limit_bytes
        )


def _new_sink(
    context: RequestContext, query: MatchQuery, secrets: Secrets
) -> RecordingSink:
    assert query.match_input is not None
    recording = Recording(
        query.clean,
        recorded_at=wall_time(),
        match_key=query.default_key,
        secrets=secrets,
    )
    stem = cassette_stem(query.match_input)
    return RecordingSink(recording, context.scope.library.new_writer(stem))


class Upstreams:
    """
    Opens each upstream when something is first forwarded to it.

    Args:
        default: Base URL for policies without one; None where these never forward.
        clock: As of the upstreams.
        source: Who named the default, as in the settings.
        idle_limit_ns: As in :class:`streamtape.server.config.Config`.
    """

    def __init__(
        self,
        default: str | None,
        clock: Clock,
        *,
        source: str,
        idle_limit_ns: int,
    ) -> None:
        self._default = default
        self._clock = clock
        self._source = source
        self._idle_limit_ns = idle_limit_ns
        self._open: dict[tuple[str, str], Upstream] = {}

    def has_one_for(self, policy: Policy) -> bool:
        """Whether requests may be forwarded at all."""
        return (policy.upstream or self._default) is not None

    def get(self, policy: Policy) -> Upstream:
        """Return the upstream for a policy that has one."""
        base_url, source = self._default, self._source
        if policy.upstream is not None:
            base_url, source = policy.upstream, policy.upstream_source
        assert base_url is not None
        upstream = self._open.get((base_url, source))
        if upstream is None:
            upstream = self._open[base_url, source] = Upstream(
                base_url,
                self._clock,
                source=source,
                idle_limit_ns=self._idle_limit_ns,
            )
        return upstream

    async def close(self) -> None:
        """Close all connections."""
        for upstream in self._open.values():
            await upstream.close()
