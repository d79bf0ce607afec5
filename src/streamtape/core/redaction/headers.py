"""
What of requests and headers reaches a cassette: names, and values that are harmless.

The values of all other headers are left out, and so are those of query parameters
whose names say that they are secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from streamtape.core.model import Headers, Request, Response
from streamtape.core.redaction.secrets import SECRET_NAME, Secrets
from streamtape.core.redaction.text import (
    REDACTED,
    clean_bytes,
    clean_strings,
    clean_text,
)

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to one connection, RFC 9110 section 7.6.1."""

_FRAMING = HOP_BY_HOP | {"content-length", "host", "accept-encoding"}

KEPT_REQUEST_HEADERS: Final = frozenset(
    {
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "last-event-id",
        "user-agent",
    }
)
"""Whose values a cassette holds; of all others it holds the name."""

_RESPONSE_VALUES = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-type",
        "location",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "retry-after",
        "retry-after-ms",
        # botocore takes the class of an error from it.
        "x-amzn-errortype",
        "x-amzn-requestid",
        "x-request-id",
        "x-should-retry",
    }
)

_RESPONSE_PREFIXES = ("anthropic-ratelimit-", "x-amzn-bedrock-", "x-ratelimit-")

_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.1."""

_MOST_DECODED: Final = 3
"""A proxy on the way may have encoded a target once more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CleanRequest(Request):
    """
    A request that holds no secret. It equals a request that holds the same.
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        return (self.method, self.target, self.headers, self.body) == (
            (other.method, other.target, other.headers, other.body)
        )

    __hash__ = Request.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanResponse(Response):
    """The head of a response that holds no secret."""


def clean_request(request: Request, secrets: Secrets) -> CleanRequest:
    """Keep the names of all headers but the values of the harmless ones alone."""
    headers = []
    left_out = _find_left_out(request.headers)
    for name, value in request.headers:
        lower = name.lower()
        if lower in left_out:
            continue
        is_kept = lower in KEPT_REQUEST_HEADERS
        kept = clean_text(value, secrets) if is_kept else REDACTED
        if lower == "user-agent":
            # The comment after the product names the machine's system.
            kept = kept.partition(" (")[0]
        headers.append((clean_text(name, secrets), kept))
    return CleanRequest(
        method=request.method,
        target=_clean_target(request.target, secrets),
        headers=tuple(headers),
        body=clean_strings(request.body, secrets),
    )


def clean_response(response: Response, secrets: Secrets) -> CleanResponse:
    """Keep the names of all headers but the values of the harmless ones alone."""
    left_out = _find_left_out(response.headers)
    headers = tuple(
        (
            clean_text(name, secrets),
            _clean_response_value(name.lower(), value, secrets),
        )
        for name, value in response.headers
        if name.lower() not in left_out
    )
    return CleanResponse(
        status=response.status,
        reason=clean_text(response.reason, secrets),
        headers=headers,
        offset_ns=response.offset_ns,
    )


def replayed_headers(headers: Headers, secrets: Secrets) -> Headers:
    """
    Return the headers of a cassette that a client may see.

    The same list as for writing: a crafted cassette can't set a cookie, open a
    page to another origin, or send a client to another host.
    """
    return tuple(
        (name, value)
        for name, value in headers
        if value != REDACTED
        and _FIELD_NAME.fullmatch(name)
        and _clean_response_value(name.lower(), value, secrets) == value
    )


def _find_left_out(headers: Headers) -> frozenset[str]:
    """Return the names of headers that belong to the connection or the framing."""
    named = {
        each.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for each in value.split(",")
    }
    return _FRAMING | named


def _clean_response_value(lower: str, value: str, secrets: Secrets) -> str:
    if lower == "location":
        # A browser drops tabs and takes two slashes for another host.
        is_local = re.fullmatch(r"/(?![/\\])[!-~]*", value)
        return _clean_target(value, secrets) if is_local else REDACTED
    if lower in _RESPONSE_VALUES or lower.startswith(_RESPONSE_PREFIXES):
        return clean_text(value, secrets)
    return REDACTED


def _clean_target(target: str, secrets: Secrets) -> str:
    path, mark, query = target.partition("?")
    pairs = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and SECRET_NAME.search(unquote(name)):
            value = REDACTED
        name, value = (_clean_segment(each, secrets) for each in (name, value))
        pairs.append(name + equals + value)
    segments = (_clean_segment(each, secrets) for each in path.split("/"))
    return "/".join(segments) + mark + "&".join(pairs)


def _clean_segment(segment: str, secrets: Secrets) -> str:
    """Replace every secret, and the whole segment if one is percent-encoded."""
    if "%" not in segment and "+" not in segment:
        return clean_text(segment, secrets)
    decoded = segment.encode(errors="surrogateescape")
    for _ in range(_MOST_DECODED):
        decoded = unquote_to_bytes(decoded)
        for read in (decoded, decoded.replace(b"+", b" ")):
            if clean_bytes(read, secrets) != read:
                return REDACTED
    return clean_text(segment, secrets)
