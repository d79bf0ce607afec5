"""
A request body as a JSON value, whatever it is: what matching sees of its bytes.

A body of parts becomes an object, bytes that are no text become their digest.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from streamtape.core.matching.multipart import find_parts, read_part

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
    """
    How a body was read.
    """

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
    """
    Return a JSON value with each of its strings changed; keys stay.
    """
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
