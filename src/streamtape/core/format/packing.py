"""
MessagePack, as the records of a cassette use it: the only module that knows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgpack

from streamtape.core.format.values import check_values

_PART_BYTES: Final = 4096
"""Room for nearly every part; it grows for a longer one."""

_SMALL_BYTES: Final = 4096
"""A shorter value can't become large, whatever it holds."""

UNDECODABLE: Final = (ValueError, TypeError, LookupError, msgpack.UnpackException)
"""What a value raises that is not what it should be."""


def pack_value(value: object) -> bytes:
    """
    Write the value of a record.
    """
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
    """
    Whether a reader will take a value, or say that it is of too many.
    """
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
