"""
The upstreams of a server: one for all scopes, unless one has its own.
"""

from __future__ import annotations

from streamtape.server.config import Policy
from streamtape.server.forwarding.upstream import Upstream


class Upstreams:
    """
    Opens each upstream when something is first forwarded to it.

    Args:
        default: Base URL for policies without one; None where these never forward.
        idle_limit_ns: As in :class:`streamtape.server.config.Config`.
    """

    def __init__(self, default: str | None, *, idle_limit_ns: int) -> None:
        self._default = default
        self._idle_limit_ns = idle_limit_ns
        self._open: dict[str, Upstream] = {}

    def has_one_for(self, policy: Policy) -> bool:
        """
        Whether requests may be forwarded at all.
        """
        return (policy.upstream or self._default) is not None

    def get(self, policy: Policy) -> Upstream:
        """
        Return the upstream for a policy that has one.
        """
        base_url = policy.upstream or self._default
        assert base_url is not None
        if base_url not in self._open:
            self._open[base_url] = Upstream(base_url, idle_limit_ns=self._idle_limit_ns)
        return self._open[base_url]

    async def close(self) -> None:
        """
        Close all connections.
        """
        for upstream in self._open.values():
            await upstream.close()
