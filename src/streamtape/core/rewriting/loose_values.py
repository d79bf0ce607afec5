"""
Values in a cassette that no type describes: summaries, and what is not known.

A later version may add fields, and frames of private types may hold anything.
"""

from __future__ import annotations

from typing import Any, Final

from streamtape.core.format.packing import UNDECODABLE, unpack_value
from streamtape.core.format.records import Kind
from streamtape.core.model import Part
from streamtape.core.rewriting.pieces import Piece
from streamtape.core.secrecy.redaction import clean_json, clean_text

_FIELDS: Final[dict[int, tuple[str, ...]]] = {
    Kind.HEADER: ("match", "minor"),
    Kind.REQUEST: ("body", "headers", "method", "target"),
    Kind.RESPONSE: ("headers", "offset_ns", "reason", "status"),
    Kind.END: (
        "body_bytes",
        "detail",
        "offset_ns",
        "parts",
        "reason",
        "sha256",
        "summary",
    ),
}
"""
What is looked at as what it is. The time in a HEADER isn't: it is a text of any kind.
"""


def clean_value(value: Any) -> Any:
    """
    Replace every key in the texts of a value, its maps' names included.
    """
    match value:
        case str():
            return clean_text(value)
        case bytes():
            return bytes(clean_json(value))
        case dict():
            return {clean_value(name): clean_value(value[name]) for name in value}
        case list():
            return [clean_value(each) for each in value]
        case _:
            return value


def holds_key(value: Any) -> bool:
    """
    Whether a key stands in some text of a value.

    In its packed bytes one may hide: the length before a text can look like a letter
    of a word that goes on.
    """
    match value:
        case str():
            raw = value.encode(errors="surrogateescape")
            return clean_json(raw) != raw
        case bytes():
            return clean_json(value) != value
        case dict():
            return any(holds_key(name) or holds_key(value[name]) for name in value)
        case list():
            return any(map(holds_key, value))
        case _:
            return False


def unknown_in(piece: Piece) -> Any:
    """
    Return what a piece holds besides what its record says; all of it without one.
    """
    payload = piece.payload
    try:
        value = unpack_value(payload)
    except UNDECODABLE:
        return payload
    if isinstance(piece.record, Part):
        return value[2:]
    known = _FIELDS.get(piece.kind)
    if known is None:
        return value
    return {name: value[name] for name in value if name not in known}
