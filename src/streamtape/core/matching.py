"""
When two requests are the same: the match key, and the file name made from it.

The key sees method, path, query and body, and no header but the media type,
which says how to read the body. What the key leaves out is decided in
:func:`matched_query` and :func:`matched_json` alone: rules that leave out or
replace more belong there, and so change the key and what a miss says together.

All functions here want the redacted request, or else a replay with another API
key would never match, and user text would reach a file name unredacted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from streamtape.core.model import find_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamtape.core.model import Request

MAX_DEPTH: Final = 200
"""
Arrays and objects within each other before a body counts as raw bytes.

The parser's own limit depends on how deep the caller is in its stack, and a key
must not. Real bodies, with schemas of tools in them, stay below 30.
"""

_UNMATCHED_QUERY = frozenset({"beta"})
_UNMATCHED_KEYS = frozenset({"metadata"})

_EXACT_FLOAT = 2**53
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)

_SLUG_CHARS = 40
_SLUG_SOURCE_CHARS = 400
_SLUG_IGNORED = re.compile("[\u0300-\u036f'\u2019]")
"""Accents, once taken apart from their letters, and apostrophes."""
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
)


def request_key(request: Request) -> str:
    """
    Return the match key, 64 hex digits: equal for requests that ask the same.

    Neither the order of JSON keys and query parameters nor the spelling of
    numbers, strings, percent-encoding and multipart boundaries is in it.
    """
    head = json.dumps([request.method, request.path, matched_query(request)])
    # The head is one line of ASCII, so it can't run over into the body.
    material = head.encode() + b"\n" + canonical_body(request)
    return hashlib.sha256(material).hexdigest()


def canonical_body(request: Request) -> bytes:
    """
    Return the body in its one spelling, behind a line that tells its kind.

    The kind is ``json``, ``multipart`` or, for all that can't be read as it says
    that it should be, ``raw``.
    """
    try:
        value = _load_json(request)
    except ValueError:
        pass
    else:
        return b"json\n" + canonical_json(_without_unmatched(value)).encode()
    parts = find_parts(request)
    if parts is None:
        return b"raw\n" + request.body
    # Lengths keep the content of a part from passing for the start of another.
    return b"multipart\n" + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def canonical_json(value: object) -> str:
    """
    Write a parsed JSON value in ASCII with sorted keys and no spaces.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def parse_json_body(request: Request) -> object | None:
    """
    Return the whole body as a JSON value, or None if it isn't JSON.

    Of keys that occur twice the last counts. A number without a fraction is an
    int however it was written; other numbers are doubles.
    """
    try:
        return _load_json(request)
    except ValueError:
        return None


def matched_json(request: Request) -> object | None:
    """
    Return what the key sees of a JSON body, or None if it isn't JSON.
    """
    return _without_unmatched(parse_json_body(request))


def matched_query(request: Request) -> list[tuple[str, str]]:
    """
    Return what the key sees of the query: sorted pairs, percent-decoded.
    """
    query = request.target.partition("?")[2]
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return sorted(pair for pair in pairs if pair[0] not in _UNMATCHED_QUERY)


def find_parts(request: Request) -> list[bytes] | None:
    """
    Cut a multipart body at its boundary, or return None if it isn't one.

    The first piece is what precedes the first part, the last what follows the
    closing delimiter; see RFC 2046 section 5.1.1.
    """
    if not request.content_type.startswith("multipart/"):
        return None
    match = _BOUNDARY.search(find_header(request.headers, "content-type") or "")
    boundary = (match[1] or match[2]) if match else ""
    if not boundary:
        return None
    delimiter = b"\r\n--" + boundary.encode(errors="replace")
    # The first delimiter has no line before it that would end in CRLF.
    return (b"\r\n" + request.body).split(delimiter)


def slug(request: Request) -> str:
    """
    Return a few words that tell a person which request this is.

    They are the first words of the last text that the user wrote, else a word of
    the path. Never empty, at most 40 characters of ``[a-z0-9-]``, and never the
    name of a device on Windows.
    """
    texts = _user_texts(parse_json_body(request))
    segments = (
        segment
        for segment in reversed(request.path.split("/"))
        # Digits are in versions and ids, which say nothing or change.
        if segment and not any(char.isdigit() for char in segment)
    )
    return _join_words(next(texts, "")) or _join_words(next(segments, "")) or "request"


def cassette_stem(request: Request, key: str) -> str:
    """
    Return the name of the first take's file, without its extension.

    Args:
        key: What :func:`request_key` gave for this request.
    """
    return f"{slug(request)}-{key[:8]}"


def _load_json(request: Request) -> object:
    """
    Parse the body.

    Raises:
        ValueError: It isn't JSON (RFC 8259), is nested too deeply, or has
            numbers that no double and no reasonable integer can hold.
    """
    media_type = request.content_type
    if media_type not in ("", "application/json") and not media_type.endswith("+json"):
        raise ValueError(f"the media type is {media_type}")
    try:
        value: object = json.loads(
            request.body.decode("utf-8-sig"),
            parse_float=_parse_float,
            parse_constant=_parse_float,
        )
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if _is_deeper_than(MAX_DEPTH, value):
        raise ValueError("nested too deeply")
    return value


def _parse_float(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that a double can hold")
    if not value.is_integer():
        return value
    if abs(value) < _EXACT_FLOAT:
        return int(value)
    # As a double 1e23 is not the integer that it spells.
    return int(Decimal(text))


def _is_deeper_than(depth: int, value: object) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for node in level for inner in _containers_in(node)]
        if not level:
            return False
    return True


def _containers_in(node: object) -> list[object]:
    inner: Iterable[object] = ()
    match node:
        case dict():
            inner = node.values()
        case list():
            inner = node
    return [member for member in inner if isinstance(member, (dict, list))]


def _without_unmatched(body: object) -> object:
    if not isinstance(body, dict):
        return body
    return {key: body[key] for key in body if key not in _UNMATCHED_KEYS}


def _user_texts(body: Any) -> Iterator[str]:
    """
    Yield what the user wrote, last first, without what an agent put in between.
    """
    match body:
        case {"messages": [*messages]}:
            for message in reversed(messages):
                for text in reversed(_texts_of(message)):
                    if not text.lstrip().startswith("<system-reminder>"):
                        yield text


def _texts_of(message: Any) -> list[str]:
    match message:
        case {"role": "user", "content": str(text)}:
            return [text]
        case {"role": "user", "content": [*blocks]}:
            texts = (_text_of(block) for block in blocks)
            return [text for text in texts if text is not None]
        case _:
            return []


def _text_of(block: Any) -> str | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case _:
            return None


def _join_words(text: str) -> str:
    start = text.strip()[:_SLUG_SOURCE_CHARS]
    letters = unicodedata.normalize("NFKD", start).lower()
    joined = "-".join(re.findall("[a-z0-9]+", _SLUG_IGNORED.sub("", letters)))
    if len(joined) > _SLUG_CHARS:
        # One character more tells whether a word ends exactly at the limit.
        whole_words = joined[: _SLUG_CHARS + 1].rpartition("-")[0]
        joined = whole_words or joined[:_SLUG_CHARS]
    return f"{joined}-request" if joined in _WINDOWS_DEVICES else joined
