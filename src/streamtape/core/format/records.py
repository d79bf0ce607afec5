"""
The records of a cassette: what each holds, and the checks that it does.

docs/format.md#records is their specification. Unknown keys and trailing items are
passed over, so that files of later minor versions stay readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias, TypeVar

from streamtape.core.model import Ending, EndReason, Part, Request, Response

_T = TypeVar("_T")

MINOR_VERSION: Final = 1

_KEY_BYTES: Final = 32

_MAX_OFFSET_NS: Final = 2**62
"""146 years; larger would overflow the arithmetic of a replay."""


class Kind(IntEnum):
    """Frame types of format v1; 128 and above are private."""

    HEADER = 1
    REQUEST = 2
    RESPONSE = 3
    EVENT = 4
    BODY = 5
    NOTE = 6
    END = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says about itself."""

    minor: int = MINOR_VERSION
    recorded_at: str | None = None
    """Wall clock at the start, ISO 8601 in UTC; information only."""
    match: tuple[int, bytes] | None = None
    """
    Version and value of the request's match key, so that a library needn't read the
    request to index it. None where the recorder didn't say it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The last record: the ending, and what a listing wants without reading it all."""

    ending: Ending
    part_count: int
    body_bytes: int
    summary: dict[str, Any]
    """Provider words: ``model``, ``stop_reason``, ``usage``; only those known."""


Record: TypeAlias = Header | Request | Response | Part | End


def decode_record(kind: Kind, value: Any) -> Record | None:
    """
    Turn the value of a record into what it stands for; None for a NOTE.

    Raises:
        ValueError: A number or a text is out of its range.
        TypeError: Something is of another type than it should be.
        LookupError: Something is not there.
    """
    if kind is Kind.NOTE:
        return None
    if kind in (Kind.EVENT, Kind.BODY):
        return Part(_offset(value[0]), _typed(value[1], bytes))
    fields = _typed(value, dict)
    match kind:
        case Kind.HEADER:
            return _decode_header(fields)
        case Kind.REQUEST:
            return Request(
                method=_typed(fields["method"], str),
                target=_typed(fields["target"], str),
                headers=_pairs(fields["headers"]),
                body=_typed(fields["body"], bytes),
            )
        case Kind.RESPONSE:
            return Response(
                status=_status(fields["status"]),
                reason=_line(fields["reason"]),
                headers=_pairs(fields["headers"]),
                offset_ns=_offset(fields["offset_ns"]),
            )
        case _:
            return _decode_end(fields)


def _decode_header(fields: dict[str, Any]) -> Header:
    recorded_at = fields.get("recorded_at")
    if recorded_at is not None:
        recorded_at = _typed(recorded_at, str)
    match = fields.get("match")
    if match is not None:
        match = _match(match)
    minor = _typed(fields["minor"], int)
    return Header(minor=minor, recorded_at=recorded_at, match=match)


def _decode_end(value: dict[str, Any]) -> End:
    reason = EndReason(value["reason"])
    if reason is EndReason.TRUNCATED:
        message = "a file with an END isn't truncated"
        raise ValueError(message)
    ending = Ending(
        reason=reason,
        offset_ns=_offset(value["offset_ns"]),
        detail=_typed(value["detail"], str),
    )
    return End(
        ending=ending,
        part_count=_typed(value["parts"], int),
        body_bytes=_typed(value["body_bytes"], int),
        summary=_typed(value["summary"], dict),
    )


def _typed(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:
        message = f"expected {kind.__name__}, got {type(value).__name__}"
        raise TypeError(message)
    return value


def _match(value: object) -> tuple[int, bytes]:
    items = _typed(value, list)
    key = _typed(items[1], bytes)
    if len(key) != _KEY_BYTES:
        message = f"a match key can't be {len(key)} bytes long"
        raise ValueError(message)
    return _typed(items[0], int), key


def _offset(value: object) -> int:
    offset = _typed(value, int)
    if not 0 <= offset < _MAX_OFFSET_NS:
        message = f"an offset can't be {offset} ns"
        raise ValueError(message)
    return offset


def _status(value: object) -> int:
    status = _typed(value, int)
    if not 200 <= status <= 999:
        message = f"a status can't be {status}"
        raise ValueError(message)
    return status


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = []
    for name, text in _typed(value, list):
        pairs.append((_line(name), _line(text)))
    return tuple(pairs)


def _line(value: object) -> str:
    text = _typed(value, str)
    if any(char in text for char in "\r\n\0"):
        message = "a head can't hold a line break"
        raise ValueError(message)
    return text
