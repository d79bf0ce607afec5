"""
What is changed of an answer so that the client comes back to us: the URL of batch
results in a body, and redirects within a scope.

A batch names the absolute URL of its results, and both SDKs follow it with the key,
whatever their base URL is. Left alone, a replay would leave the machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from streamtape.core.model import Headers, media_type

# JSON may spell a slash with a backslash before it, and some writers do.
_SLASH = rb"\\?/"
_RESULTS_URL = re.compile(
    rb'("results_url"\s*:\s*")https?:%b[^"]*?(%b[^"]*")'
    % (_SLASH * 2, _SLASH.join([b"", b"v1", b"messages", b"batches", b""]))
)


def in_scope(headers: Headers, own_url: str) -> Headers:
    """
    Return headers whose redirects within the upstream stay in the client's scope.

    Args:
        own_url: This server's base URL as the client knows it.
    """
    prefix = urlsplit(own_url).path
    return tuple(
        (name, f"{prefix}{value}")
        if name.lower() == "location" and value.startswith("/")
        else (name, value)
        for name, value in headers
    )


def find_rewrite(
    path: str, headers: Headers, *, own_url: str
) -> Callable[[bytes], bytes] | None:
    """
    Return the change to make to a whole body, or None to leave it alone.

    Args:
        headers: Those of the response.
        own_url: This server's base URL as the client knows it.
    """
    is_batch = path.startswith("/v1/messages/batches")
    if not is_batch or media_type(headers) != "application/json":
        return None
    return lambda body: _RESULTS_URL.sub(rb"\1" + own_url.encode() + rb"\2", body)
