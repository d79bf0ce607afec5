"""Which headers pass: what belongs to a connection ends with it, in both directions."""

from __future__ import annotations

from typing import Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from streamtape.core.inflate import ENCODINGS
from streamtape.core.model import Headers
from streamtape.core.redaction.headers import HOP_BY_HOP

_NOT_FORWARDED = HOP_BY_HOP | {"host", "content-length", "accept-encoding", "expect"}

_OWN_PREFIX = "x-streamtape"

UNKNOWN_ENCODINGS: Final = frozenset({"br", "zstd", "compress"})
"""Encodings that clients know and that can't be taken off here."""


def forwarded_headers(headers: Headers) -> Headers:
    """
    Return what goes upstream: all but what belongs to the connection.

    An unencoded answer is asked for, because clients differ in what they decode.
    """
    dropped = _NOT_FORWARDED | _named_by_connection(headers)
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    return (*kept, ("Accept-Encoding", "identity"))


def returned_headers(response: aiohttp.ClientResponse, *, base_url: str) -> Headers:
    """
    Return what the client gets of an answer's headers.

    What is no longer true is left out: the length of the body, and its encoding if
    that is taken off here. A redirect within the upstream leads to us again.

    Args:
        base_url: The upstream's.
    """
    headers = tuple(response.headers.items())
    dropped = HOP_BY_HOP | _named_by_connection(headers) | {"content-length"}
    if encoding_of(response.headers) in ENCODINGS:
        dropped |= {"content-encoding"}
    return tuple(
        (name, own_location(value, response.url, base_url=base_url))
        if name.lower() == "location"
        else (name, value)
        for name, value in headers
        if name.lower() not in dropped
        # The proxy's own origin is not the API's.
        and not name.lower().startswith(("access-control-", _OWN_PREFIX))
    )


def encoding_of(headers: CIMultiDictProxy[str]) -> str:
    """Return the encoding of a body in lower case; empty for none."""
    return ", ".join(headers.getall("Content-Encoding", ())).strip().lower()


def own_location(location: str, url: URL, *, base_url: str) -> str:
    """
    Return a redirect that stays with this proxy if it stays within the upstream.

    Such a one becomes a path, which a client joins to our address. Any other names
    its host, and a client that follows it leaves us.

    Args:
        location: Absolute, or relative to `url`, which was asked for.
        base_url: The upstream's.
    """
    base = URL(base_url)
    prefix = base.raw_path.rstrip("/")
    try:
        target = url.join(URL(location, encoded=True))
        is_within = (target.scheme, target.host, target.port) == (
            (base.scheme, base.host, base.port)
        )
    except ValueError:
        return location
    if not is_within:
        return location
    path = str(target.relative()).removeprefix(prefix)
    # A path that begins with two slashes would name a host.
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and target.raw_path.startswith(prefix) else str(target)


def _named_by_connection(headers: Headers) -> set[str]:
    return {
        named.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for named in value.split(",")
    }
