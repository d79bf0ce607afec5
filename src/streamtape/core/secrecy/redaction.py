"""
What never reaches a cassette: header values, query values, and keys.

Keys are those of known kinds and those that this process has seen. By construction:
what writes a cassette takes the clean types alone, and only the functions here make
them. What the client and the upstream exchange is never changed, only what is
written. Ids and signatures stay, because clients send them back and matching needs
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from streamtape.core.model import Headers, Request, Response
from streamtape.core.secrecy.known_keys import has_long_run, kinds_in
from streamtape.core.secrecy.secrets import SECRET_NAME, remembered_in


class CleanBytes(bytes):
    """
    Bytes that hold no key.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CleanRequest(Request):
    """
    A request that holds no key. It equals a request that holds the same.
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
    """
    The head of a response that holds no key.
    """


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

_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 section 5.1."""

_ESCAPED: Final = re.compile(
    # Letters, digits and those of -_.~+/= that JSON lets one write as they are; with
    # several backslashes it is JSON in a string of JSON.
    rb"\\+(?:u00(2[bdefBDEF]|3[0-9dD]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]"
    rb"|7[0-9aAeE])|/)"
)
_MOST_DECODED: Final = 3
"""A proxy on the way may have encoded a target once more."""

PLACEHOLDER: Final = REDACTED.encode()


def clean_bytes(raw: bytes) -> CleanBytes:
    """
    Replace every key, as long as none of its characters is escaped.
    """
    has_run = has_long_run(raw)
    if found := remembered_in(raw, has_run=has_run):
        # The longest first: one key may begin as another does.
        raw = re.sub(b"|".join(map(re.escape, found)), PLACEHOLDER, raw)
    if has_run:
        for kind in kinds_in(raw):
            raw = kind.pattern.sub(_redact, raw)
    return CleanBytes(raw)


def clean_json(raw: bytes) -> CleanBytes:
    """
    Replace every key in bytes that hold JSON, however its characters are escaped.

    The JSON stays as valid as it was.
    """
    plain = unescape(raw)
    if plain is not raw:
        # In JSON it is the same, as none of these characters has to be escaped.
        cleaned = clean_bytes(plain)
        if cleaned != plain:
            return cleaned
    return clean_bytes(raw)


def unescape(raw: bytes) -> bytes:
    """
    Take the JSON escapes off all characters that keys are made of.

    Returns the same object where there is none.
    """
    if b"\\u00" in raw or b"\\/" in raw:
        return _ESCAPED.sub(_unescape, raw)
    return raw


def _redact(match: re.Match[bytes]) -> bytes:
    kept: bytes = match[1] if match.lastindex else b""
    return kept + PLACEHOLDER


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"/"


def clean_text(text: str) -> str:
    """
    Replace every key, and bytes that were no UTF-8.
    """
    try:
        raw = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # JSON can spell half of a pair, which stands for no byte.
        raw = text.encode(errors="surrogatepass")
    return clean_bytes(raw).decode(errors="replace")


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
        method=request.method,
        target=_clean_target(request.target),
        headers=tuple(headers),
        body=clean_json(request.body),
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
    return CleanResponse(
        status=response.status,
        reason=clean_text(response.reason),
        headers=headers,
        offset_ns=response.offset_ns,
    )


def replayed_headers(headers: Headers) -> Headers:
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
        and _clean_response_value(name.lower(), value) == value
    )


def _clean_response_value(lower: str, value: str) -> str:
    if lower == "location":
        # A browser drops tabs and takes two slashes for another host.
        is_local = re.fullmatch(r"/(?![/\\])[!-~]*", value)
        return _clean_target(value) if is_local else REDACTED
    if lower in _RESPONSE_VALUES or lower.startswith(_RESPONSE_PREFIXES):
        return clean_text(value)
    return REDACTED


def _clean_target(target: str) -> str:
    path, mark, query = target.partition("?")
    pairs = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and SECRET_NAME.search(unquote(name)):
            value = REDACTED
        pairs.append(_clean_piece(name) + equals + _clean_piece(value))
    segments = map(_clean_piece, path.split("/"))
    return "/".join(segments) + mark + "&".join(pairs)


def _clean_piece(piece: str) -> str:
    """
    Replace every key, and the whole piece if one is percent-encoded.
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
