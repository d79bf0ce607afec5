"""Events as other providers send them, made by hand."""

from __future__ import annotations

import base64
import json
import struct
from zlib import crc32


def amazon_frame(
    payload: bytes, *, event_type: str | None = None, exception: str | None = None
) -> bytes:
    """Return a frame of ``application/vnd.amazon.eventstream``."""
    headers = {":content-type": "application/json"}
    if exception is not None:
        headers |= {":exception-type": exception, ":message-type": "exception"}
    else:
        headers |= {":event-type": event_type or "chunk", ":message-type": "event"}
    packed = b"".join(
        bytes([len(name)])
        + name.encode()
        + struct.pack(">BH", 7, len(value))
        # Seven is the type of texts.
        + value.encode()
        for name, value in headers.items()
    )
    size = 12 + len(packed) + len(payload) + 4
    lengths = struct.pack(">II", size, len(packed))
    head = lengths + struct.pack(">I", crc32(lengths)) + packed + payload
    return head + struct.pack(">I", crc32(head))


def bedrock_chunk(value: object) -> bytes:
    """Return what invoke_model_with_response_stream sends of an event."""
    inner = base64.b64encode(json.dumps(value).encode()).decode()
    payload = json.dumps({"bytes": inner, "p": "abcdef"}, separators=(",", ":"))
    return amazon_frame(payload.encode(), event_type="chunk")


def connect_frame(payload: bytes, *, flags: int = 0) -> bytes:
    """Return a message of the Connect protocol."""
    return struct.pack(">BI", flags, len(payload)) + payload
