"""
The upstreams of a server: one for all scopes, unless one has its own.
"""

from __future__ import annotations

from streamtape.server.clock import Clock
from streamtape.server.config import Policy
from streamtape.server.forwarding.upstream import Upstream


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
        """
        Whether requests may be forwarded at all.
        """
        return (policy.upstream or self._default) is not None

    def get(self, policy: Policy) -> Upstream:
        """
        Return the upstream for a policy that has one.
        """
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
        """
        Close all connections.
        """
        for upstream in self._open.values():
            await upstream.close()
