"""
What never reaches a cassette: header values, query values and known kinds of keys.

By construction: :mod:`streamtape.core.tape` takes the clean types alone, and only
the functions here make them. What the client and the upstream exchange is never
changed, only what is written. Ids and signatures stay, because clients send them
back and matching needs them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, NewType
from urllib.parse import unquote, unquote_to_bytes

from streamtape.core.model import Headers, Request, Response

CleanBytes = NewType("CleanBytes", bytes)
CleanRequest = NewType("CleanRequest", Request)
CleanResponse = NewType("CleanResponse", Response)

REDACTED: Final = "[redacted]"

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
    {"accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent"}
)
"""Whose values a cassette holds; of all others it holds the name."""

_RESPONSE_VALUES = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-type",
        "location",
        "request-id",
        "retry-after",
        "retry-after-ms",
        "x-request-id",
        "x-should-retry",
    }
)

_RESPONSE_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-")

_SECRET_NAME = re.compile(
    r"key|token|secret|sig|auth|pass|credential|cookie|session|jwt", re.IGNORECASE
)

_ESCAPED: Final = re.compile(
    # Letters, digits and those of -_.~+/= that JSON lets one write as they are; with
    # several backslashes it is JSON in a string of JSON.
    rb"\\+(?:u00(2[bdefBDEF]|3[0-9dD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]"
    rb"|7[0-9aAeE])|/)"
)
_MOST_DECODED: Final = 3
"""A proxy on the way may have encoded a target once more."""

_PLACEHOLDER: Final = REDACTED.encode()


def _behind(before: bytes, word: bytes) -> bytes:
    """
    Return what holds behind a word that none of some characters stand before.

    The last letter of a JSON or URL escape is none of the text's. Checked behind
    the word, because a pattern that begins with one is searched ten times as fast.
    """
    word = re.escape(word)
    return (
        rb"(?:(?<![%b]%b)" % (before, word)
        + rb"|(?<=\\[bfnrt]%b)" % word
        + rb"|(?<=\\u[0-9A-Fa-f]{4}%b)" % word
        + rb"|(?<=%%[0-9A-Fa-f]{2}%b))" % word
    )


_KEYS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # Anthropic's keys, then those of OpenAI and their kin. Base64 has no dash,
        # but base64url and words have one.
        rb"sk-" + _behind(rb"A-Za-z0-9_-", b"sk-") + rb"(?:ant-[A-Za-z0-9_-]{13,}"
        rb"|(?:proj|svcacct|admin|or-v1)-[A-Za-z0-9_-]{20,}"
        rb"|[A-Za-z0-9_]{20,})",
        rb"AKIA[0-9A-Z]{16}",
        rb"ASIA[0-9A-Z]{16}",
        rb"gh[oprsu]_[A-Za-z0-9]{36,}",
        rb"github_pat_[A-Za-z0-9_]{22,}",
        rb"AIza" + _behind(rb"A-Za-z0-9+/_-", b"AIza") + rb"[A-Za-z0-9_-]{35}",
        rb"xox" + _behind(rb"A-Za-z0-9_-", b"xox") + rb"[abeoprs]-[A-Za-z0-9-]{15,}",
        # Possessive, and at the start of a word alone: what turns out to be no
        # token is looked at once.
        rb"eyJ"
        + _behind(rb"A-Za-z0-9_-", b"eyJ")
        + rb"[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}",
        rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}"
        rb"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
        # A word behind "Bearer" in prose has no digit.
        rb"(Bearer )(?=[A-Za-z._~+/=-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{20,}",
        rb"(X-Amz-Signature=)[0-9a-f]{16,}",
        rb"(X-Amz-Security-Token=)[A-Za-z0-9%._~+/=-]{16,}",
    )
)
"""
Known kinds of keys; each begins with a word and runs in linear time.

What is in a group is kept. Whatever matches holds a :data:`_SHORTEST_RUN`.
"""

_SHORTEST_RUN = b"A" * 20
_RUNS = bytes(
    ord("A")
    if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "-_.~+/=%")
    else ord(" ")
    for code in range(256)
)
"""Maps every character that keys are made of to one, to find long runs of them."""


def clean_bytes(raw: bytes) -> CleanBytes:
    """
    Replace every known kind of key.
    """
    # Every key is a run of at least 20 characters, and few events hold one: this
    # takes a tenth of the patterns' own time.
    if _SHORTEST_RUN in raw.translate(_RUNS):
        for pattern in _KEYS:
            raw = pattern.sub(_redact, raw)
    return CleanBytes(raw)


def _redact(match: re.Match[bytes]) -> bytes:
    kept: bytes = match[1] if match.lastindex else b""
    return kept + _PLACEHOLDER


def clean_text(text: str) -> str:
    """
    Replace every known kind of key, and bytes that were no UTF-8.
    """
    return clean_bytes(text.encode(errors="surrogateescape")).decode(errors="replace")


def clean_request(request: Request) -> CleanRequest:
    """
    Keep the names of all headers but the values of the harmless ones alone.
    """
    headers = []
    for name, value in request.headers:
        lower = name.lower()
        if lower in _FRAMING:
            continue
        kept = clean_text(value) if lower in KEPT_REQUEST_HEADERS else REDACTED
        if lower == "user-agent":
            # The comment behind the product names the machine's system.
            kept = kept.partition(" (")[0]
        headers.append((clean_text(name), kept))
    return CleanRequest(
        replace(
            request,
            target=_clean_target(request.target),
            headers=tuple(headers),
            body=_clean_body(request.body),
        )
    )


def clean_response(response: Response) -> CleanResponse:
    """
    Keep the names of all headers but the values of the harmless ones alone.
    """
    headers = tuple(
        (clean_text(name), _clean_response_value(name.lower(), value))
        for name, value in response.headers
        if name.lower() not in _FRAMING
    )
    reason = clean_text(response.reason)
    return CleanResponse(replace(response, headers=headers, reason=reason))


def replayed_headers(headers: Headers) -> Headers:
    """
    Return the headers of a cassette that a client may see.

    The same list as for writing: a crafted cassette can't set a cookie, open a
    page to another origin, or send a client to another host.
    """
    return tuple(
        (name, value)
        for name, value in headers
        if value != REDACTED and _clean_response_value(name.lower(), value) == value
    )


def _clean_response_value(lower: str, value: str) -> str:
    if lower == "location":
        # A browser drops tabs and takes two slashes for another host.
        is_local = re.fullmatch(r"/(?![/\\])[!-~]*", value)
        return _clean_target(value) if is_local else REDACTED
    if lower in _RESPONSE_VALUES or lower.startswith(_RESPONSE_PREFIXES):
        return clean_text(value)
    return REDACTED


def _clean_body(raw: bytes) -> CleanBytes:
    """
    Replace every known kind of key, in JSON however its characters are escaped.
    """
    if b"\\u00" in raw or b"\\/" in raw:
        # In JSON it is the same, as none of these characters has to be escaped.
        plain = _ESCAPED.sub(_unescape, raw)
        cleaned = clean_bytes(plain)
        if cleaned != plain:
            return cleaned
    return clean_bytes(raw)


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"/"


def _clean_target(target: str) -> str:
    path, mark, query = target.partition("?")
    pairs = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and _SECRET_NAME.search(unquote(name)):
            value = REDACTED
        pairs.append(_clean_piece(name) + equals + _clean_piece(value))
    segments = map(_clean_piece, path.split("/"))
    return "/".join(segments) + mark + "&".join(pairs)


def _clean_piece(piece: str) -> str:
    """
    Replace every known kind of key, and the whole piece if one is percent-encoded.
    """
    if "%" not in piece and "+" not in piece:
        return clean_text(piece)
    decoded = piece.encode(errors="surrogateescape")
    for _ in range(_MOST_DECODED):
        decoded = unquote_to_bytes(decoded)
        for read in (decoded, decoded.replace(b"+", b" ")):
            if clean_bytes(read) != read:
                return REDACTED
    return clean_text(piece)
