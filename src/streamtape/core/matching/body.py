"""
A request body as a JSON value, whatever it is: what matching sees of its bytes.

Content encodings are taken off, since no secret could be found in them. A body of
parts becomes an object, bytes that are no text become their digest.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
import zlib
from dataclasses import replace
from decimal import Decimal
from email.message import Message
from email.parser import HeaderParser
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from streamtape.core.inflate import ENCODINGS, Inflater
from streamtape.core.model import find_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamtape.core.model import Request


MAX_DEPTH: Final = 200
"""
Arrays and objects within each other before a body counts as raw bytes.

The parser's own limit depends on how deep the caller is in its stack, and a key
must not. Real bodies, with schemas of tools in them, stay below 30.
"""

_EXACT_FLOAT: Final = 2**53


class BodyKind(StrEnum):
    """How a body was read."""

    JSON = "json"
    MULTIPART = "multipart"
    RAW = "raw"
    """Neither of these, or not what it says that it is."""


def read_body(request: Request) -> tuple[BodyKind, object]:
    """
    Return a body as a JSON value, and how it was read.

    The spelling is gone: of keys that occur twice the last counts, a number
    without a fraction is an int however it was written, other numbers are doubles,
    and boundaries of parts are not seen.
    """
    if request.content_type.startswith("multipart/"):
        parts = find_parts(request)
        if parts is not None:
            return BodyKind.MULTIPART, {"parts": [_show_part(part) for part in parts]}
        return BodyKind.RAW, _text_or_digest(request.body)
    try:
        return BodyKind.JSON, _load_json(request)
    except ValueError:
        return BodyKind.RAW, _text_or_digest(request.body)


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with each of its strings changed; keys stay."""
    match value:
        case str():
            return change(value)
        case list():
            return [map_texts(item, change) for item in value]
        case dict():
            return {key: map_texts(item, change) for key, item in value.items()}
        case _:
            return value


def _load_json(request: Request) -> object:
    """
    Parse the body.

    Raises:
        ValueError: It isn't JSON (RFC 8259), is nested too deeply, or has
            numbers that no double and no reasonable integer can hold.
    """
    media_type = request.content_type
    says_so = media_type in ("", "application/json") or media_type.endswith("+json")
    # Some clients send an object and leave the media type at that of a form. Of
    # another text, such as 1.0, the spelling counts.
    if not says_so and request.body.lstrip()[:1] not in (b"{", b"["):
        raise ValueError(f"the media type is {media_type}")
    try:
        text = request.body.removeprefix(codecs.BOM_UTF8).decode()
        value: object = _DECODER.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    # Most bodies have so few brackets that they need not be walked through.
    brackets = request.body.count(b"[") + request.body.count(b"{")
    if brackets > MAX_DEPTH and _is_deeper_than(MAX_DEPTH, value):
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


_DECODER: Final = json.JSONDecoder(
    parse_float=_parse_float, parse_constant=_parse_float
)


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


def _show_part(part: bytes) -> dict[str, object]:
    fields, content = read_part(part)
    return {**fields, "content": _text_or_digest(content)}


def _text_or_digest(raw: bytes) -> object:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


_MAX_HEAD_BYTES: Final = 16_384
"""The parser's time grows with the square of it."""


def find_parts(request: Request) -> list[bytes] | None:
    """
    Cut a multipart body at its boundary, or return None if it isn't one.

    What precedes the first part and follows the last is left out; see RFC 2046
    section 5.1.1.
    """
    if not request.content_type.startswith("multipart/"):
        return None
    described = Message()
    described["content-type"] = find_header(request.headers, "content-type") or ""
    boundary = described.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        return None
    delimiter = b"\r\n--" + boundary.encode(errors="replace")
    # The first delimiter has no line before it that would end in CRLF.
    pieces = (b"\r\n" + request.body).split(delimiter)
    # A form without parts is its last delimiter alone.
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        return None
    return [piece.partition(b"\r\n")[2] for piece in pieces[1:-1]]


def read_part(part: bytes) -> tuple[dict[str, object], bytes]:
    """Return what a part says about itself, and its content."""
    # A part without headers begins with the blank line.
    head, blank, content = (b"\r\n" + part).partition(b"\r\n\r\n")
    if not blank or len(head) > _MAX_HEAD_BYTES:
        return {}, part
    headers = HeaderParser().parsestr(_header_text(head.removeprefix(b"\r\n")))
    fields = {
        "name": headers.get_param("name", header="content-disposition"),
        "filename": headers.get_filename(),
        "content_type": headers.get_content_type()
        if "content-type" in headers
        else None,
    }
    return {k: value for k, value in fields.items() if value is not None}, content


def _header_text(head: bytes) -> str:
    # Names of files come as they are, in UTF-8 from every client of today.
    try:
        return head.decode()
    except UnicodeDecodeError:
        return head.decode("latin-1")


_MOST_CODINGS: Final = 4
_MOST_MEMBERS: Final = 16
"""Of one gzip body; after each one the rest is copied."""
_CODING_CHARS: Final = 40


def decode_body(request: Request, *, limit_bytes: int) -> Request:
    """
    Return a request without the ``content-encoding`` of its body.

    In what is encoded no secret could be found. So a body with another coding than
    gzip and deflate, a broken one, and one that is longer than the limit once it is
    decoded become a line with their digest, which tells equal from unequal.
    """
    values = [
        value for name, value in request.headers if name.lower() == "content-encoding"
    ]
    if not values:
        return request
    codings = [coding.strip().lower() for coding in ",".join(values).split(",")]
    body = _decode(request.body, codings, limit_bytes)
    if body is None:
        shown = re.sub("[^a-z0-9, _-]", "?", ", ".join(codings)[:_CODING_CHARS])
        digest = hashlib.sha256(request.body).hexdigest()
        size = f"{len(request.body)} bytes"
        body = f"[not decoded: {shown}, {size}, sha256 {digest}]".encode()
    headers = tuple(
        pair for pair in request.headers if pair[0].lower() != "content-encoding"
    )
    return replace(request, headers=headers, body=body)


def _decode(body: bytes, codings: list[str], limit_bytes: int) -> bytes | None:
    """Take codings off a body, the last one first, or return None if one can't be."""
    applied = [coding for coding in codings if coding not in ("", "identity")]
    if len(applied) > _MOST_CODINGS:
        return None
    for coding in reversed(applied):
        decoded = _inflate(body, coding, limit_bytes)
        if decoded is None:
            return None
        body = decoded
    return body


def _inflate(packed: bytes, coding: str, limit_bytes: int) -> bytes | None:
    """Return what zlib makes of all members, without what is no member after them."""
    if coding not in ENCODINGS or not packed:
        return None
    inflater = Inflater(coding, most_members=_MOST_MEMBERS)
    inflater.put(packed)
    body = bytearray()
    try:
        while chunk := inflater.take():
            body += chunk
            if len(body) > limit_bytes:
                return None
    except zlib.error:
        return None
    return bytes(body) if inflater.is_whole else None
