"""
How much may be asked at the same time, by what the system lets a process open.
"""

from __future__ import annotations

from typing import Final

try:
    import resource
except ImportError:  # Windows has no such limits.
    resource = None  # type: ignore[assignment]  # A module is what it is elsewhere.

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
    """
    Return how many requests this process may answer at the same time.
    """
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
