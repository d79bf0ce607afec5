"""
MessagePack, as the records of a cassette use it: the only module that knows it.

A byte of it can stand for a list of 64 bytes, and a few for a list of millions, so
what a value would hold is told before room is made for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

_PART_BYTES: Final = 4096
"""Room for nearly every part; it grows for a longer one."""

_SMALL_BYTES: Final = 4096
"""A shorter value can't become large, whatever it holds."""

UNDECODABLE: Final = (ValueError, TypeError, LookupError, msgpack.UnpackException)
"""What a value raises that is not what it should be."""


def pack_value(value: object) -> bytes:
    """Write the value of a record."""
    packed: bytes = msgpack.packb(value)
    return packed


def part_packer() -> Callable[[tuple[int, bytes]], bytes]:
    """
    Return what writes the values of parts, made once because there are so many.

    It keeps its room, so that what is much longer than they are should not go
    through it.
    """
    packer = msgpack.Packer(buf_size=_PART_BYTES)
    pack: Callable[[tuple[int, bytes]], bytes] = packer.pack
    return pack


def is_readable(packed: bytes) -> bool:
    """Whether a reader will take a value, or say that it is of too many."""
    try:
        check_values(packed)
    except ValueError:
        return False
    return True


def unpack_value(payload: bytes | bytearray) -> Any:
    """
    Read the value of a record; nothing large comes out of what is small.

    Raises:
        ValueError: It is none, or holds what none may: an extension, a key twice.
        msgpack.UnpackException: As well. :data:`UNDECODABLE` has both.
    """
    if len(payload) > _SMALL_BYTES:
        check_values(payload)
    return msgpack.unpackb(
        payload, strict_map_key=True, max_ext_len=0, object_pairs_hook=_unique
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """
    Make a map, unless a key stands twice: readers would differ about what it says.
    """
    fields = dict(pairs)
    if len(fields) != len(pairs):
        message = "a key stands twice in a map"
        raise ValueError(message)
    return fields


MAX_VALUES: Final = 65_536
"""Limit on the values in one record, those in its lists and maps included."""

_FIXED: Final = {
    **{0xCA: 4, 0xCB: 8},  # Floats.
    **{0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8},  # Unsigned numbers.
    **{0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8},  # Signed numbers.
    **{0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17},  # Extensions.
}
"""How many bytes follow the first of a value of this kind."""

_SIZED: Final = {
    **{0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0)},  # Bytes.
    **{0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)},  # Extensions.
    **{0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)},  # Texts.
}
"""How wide the length after the first byte is, and what it leaves out."""

_COUNTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""How wide the count after the first byte is, and how many values each stands for."""


def check_values(packed: bytes | bytearray, *, most: int = MAX_VALUES) -> None:
    """
    Refuse what would be more values than may be.

    Nothing else is checked: what is no MessagePack is left to the one who reads it.

    Raises:
        ValueError: It is, or says that it is, of more values.
    """
    at = found = 0
    count = 1  # What was found, and what has to follow.
    while found < count and at < len(packed):
        size, values = _measure(packed, at)
        at += size
        found += 1
        count += values
        if count > most:
            message = f"a record can't hold {count} values"
            raise ValueError(message)


def _measure(packed: bytes | bytearray, at: int) -> tuple[int, int]:
    """
    Return how many bytes a value takes without those in it, and how many are in it.
    """
    first = packed[at]
    if first in _FIXED:
        return 1 + _FIXED[first], 0
    if first in _SIZED:
        width, more = _SIZED[first]
        return 1 + width + more + _number(packed, at + 1, width), 0
    if first in _COUNTED:
        width, each = _COUNTED[first]
        return 1 + width, each * _number(packed, at + 1, width)
    if 0xA0 <= first <= 0xBF:
        return 1 + (first & 0x1F), 0
    if 0x90 <= first <= 0x9F:
        return 1, first & 0x0F
    if 0x80 <= first <= 0x8F:
        return 1, 2 * (first & 0x0F)
    return 1, 0


def _number(packed: bytes | bytearray, at: int, width: int) -> int:
    return int.from_bytes(packed[at : at + width], "big")
