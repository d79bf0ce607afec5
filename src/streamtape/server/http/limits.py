"""
How much may be asked at the same time, and who of those connected is asking.

The bound comes from what the system lets a process open.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

try:
    import resource
except ImportError:  # Windows has no such limits.
    resource = None  # type: ignore[assignment]  # A module is what it is elsewhere.


class LimitedConnection(Protocol):
    """One connection of a client."""

    @property
    def has_sent_all(self) -> bool:
        """Whether nothing of an answer waits for the client to read."""

    def force_close(self) -> None:
        """Close it now."""


class ConnectionLimiter:
    """
    All connections to one server.

    Those on which nothing is asked are in nobody's way: when there are too many, the
    one that has been so for longest is closed.

    Args:
        most_asking: How many may ask at the same time; a few more are let in, to be
            told so.
    """

    def __init__(self, *, most_asking: int) -> None:
        self.most_asking = most_asking
        self._open: set[LimitedConnection] = set()
        self._idle: dict[LimitedConnection, None] = {}
        """Those on which no request is being answered, the longest idle first."""
        self._changed = asyncio.Event()

    @property
    def has_too_many(self) -> bool:
        """Whether more ask than may."""
        return len(self._open) - len(self._idle) > self.most_asking

    def enter(self, connection: LimitedConnection) -> None:
        """Count a connection, on which nothing is asked yet."""
        self._open.add(connection)
        self._idle[connection] = None

    def leave(self, connection: LimitedConnection) -> None:
        """Count it no longer."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._changed.set()

    def ask(self, connection: LimitedConnection) -> None:
        """Note that a request has begun."""
        self._idle.pop(connection, None)

    def rest(self, connection: LimitedConnection) -> None:
        """Note that a request was answered, and that the next may take a while."""
        if connection in self._open:
            self._idle[connection] = None
            self._changed.set()

    def is_idle(self, connection: LimitedConnection) -> bool:
        """Whether nothing is asked on a connection."""
        return connection in self._idle

    async def wait_for_room(self) -> None:
        """
        Wait until one more connection may be accepted; closes an idle one for that.
        """
        while len(self._open) >= self.most_asking + REFUSED_AT_ONCE:
            self._changed.clear()
            self.close_idle()
            await self._changed.wait()

    def close_idle(self) -> None:
        """Close the connection that has been idle for longest, if any is."""
        for connection in self._idle:
            if connection.has_sent_all:
                del self._idle[connection]
                connection.force_close()
                return


REFUSED_AT_ONCE: Final = 8
"""Connections beyond the limit, so that those who ask there can be told."""

MOST_REQUESTS: Final = 1024
"""However many descriptors there are: each request may hold a body of 32 MiB."""

_DESCRIPTORS_EACH: Final = 3
"""Of a request that is recorded: the client's, the upstream's and the cassette's."""

_DESCRIPTORS_KEPT: Final = 64
"""For all the rest of the process, where there are enough."""


_WANTED_DESCRIPTORS: Final = 4096
"""Room for all of MOST_REQUESTS. Some systems begin with 256."""


def raise_limit() -> None:
    """
    Let this process, and those that it starts, open as many files as it may want.

    For a process of our own: in somebody else's the limit is theirs.
    """
    if resource is None:
        return
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_DESCRIPTORS
    if hard_limit != resource.RLIM_INFINITY:
        wanted = min(wanted, hard_limit)
    if soft_limit != resource.RLIM_INFINITY and soft_limit < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard_limit))


def find_most_requests() -> int:
    """Return how many requests this process may answer at the same time."""
    if resource is None:
        return MOST_REQUESTS
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return MOST_REQUESTS
    return most_requests_within(soft_limit)


def most_requests_within(descriptors: int) -> int:
    """
    Return how many requests may be answered at the same time, at least one.

    Args:
        descriptors: How many files and connections the process may have open.
    """
    kept = min(_DESCRIPTORS_KEPT, descriptors // 2) + REFUSED_AT_ONCE
    fitting = (descriptors - kept) // _DESCRIPTORS_EACH
    return max(1, min(MOST_REQUESTS, fitting))
