"""Whole cassettes as an older or a stranger's recorder could have written them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgpack

from crafting import RESPONSE_FIELDS
from streamtape.core.format.frames import MAGIC
from streamtape.core.format.records import Kind
from streamtape.core.format.writer import FrameWriter

KEY: Final = "sk-ant-api03-" + "Ab1_" * 20
"""Of a known kind, and nobody's."""

PRIVATE: Final = 200
"""A frame type that no version of the format will use."""

Frames = Sequence[tuple[int, Any]]


def request_frame(**changed: Any) -> tuple[int, dict[str, Any]]:
    """Return a REQUEST with other fields, or more."""
    fields = {
        "body": b'{"model":"m"}',
        "headers": [["content-type", "application/json"]],
        "method": "POST",
        "target": "/v1/messages",
    }
    return Kind.REQUEST, fields | changed


def response_frame(**changed: Any) -> tuple[int, dict[str, Any]]:
    """
    Return a RESPONSE with other fields, or more: an event stream, if not said else.
    """
    return Kind.RESPONSE, RESPONSE_FIELDS | changed


def forge(
    frames: Frames,
    *,
    header: dict[str, Any] | None = None,
    end: dict[str, Any] | None = None,
    has_end: bool = True,
) -> bytes:
    """
    Write a cassette whose frames verify and whose END agrees with them.

    Args:
        frames: All behind the HEADER; what is given as bytes is no record's.
        header: More fields of the HEADER.
        end: Other fields of the END, or more.
    """
    writer = FrameWriter()
    packed = [MAGIC]
    for kind, value in [(int(Kind.HEADER), {"minor": 1} | (header or {})), *frames]:
        payload = value if isinstance(value, bytes) else msgpack.packb(value)
        packed.append(writer.pack(kind, payload))
        writer.account(packed[-1])
    if has_end:
        parts = [v[1] for kind, v in frames if kind in (Kind.EVENT, Kind.BODY)]
        fields = {
            "body_bytes": sum(map(len, parts)),
            "detail": "",
            "offset_ns": 10**12,
            "parts": len(parts),
            "reason": "complete",
            "sha256": writer.digest,
            "summary": {},
        }
        packed.append(writer.pack(Kind.END, msgpack.packb(fields | (end or {}))))
        packed.append(writer.trailer())
    return b"".join(packed)
