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
