"""The bytes of cassettes: a sound one, and those that only a forger would make."""

from __future__ import annotations

import hashlib
import struct
from typing import Any
from zlib import crc32

import msgpack

from streamtape.core.format.frames import HEAD, MAGIC, TRAILER, TRAILER_MAGIC
from streamtape.core.format.records import Header, Kind
from streamtape.core.format.writer import FrameWriter, RecordWriter
from streamtape.core.model import Ending, EndReason, Request, Response
from streamtape.core.redaction.headers import clean_request, clean_response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_bytes

REQUEST = Request(
    method="POST",
    target="/v1/messages",
    headers=(("Content-Type", "application/json"),),
    body=b"{}",
)
RESPONSE = Response(
    status=200,
    reason="OK",
    headers=(("content-type", "text/event-stream"), ("Retry-After", "7")),
    offset_ns=5,
)
EVENTS = [
    b"event: ping\ndata: {}   \n\n",
    "data: é🎈\r\n\r\n".encode(),
    b"data: cut \xf0\x9f",
]
SUMMARY = {"model": "m", "usage": {"output_tokens": 3}}
ENDING = Ending(reason=EndReason.UPSTREAM_CUT, offset_ns=40, detail="it broke")
HEADER: dict[str, Any] = {"minor": 0}
REQUEST_FIELDS: dict[str, Any] = {
    "body": b"{}",
    "headers": [["A", "1"]],
    "method": "POST",
    "target": "/",
}
RESPONSE_FIELDS: dict[str, Any] = {
    "headers": [["content-type", "text/event-stream"]],
    "offset_ns": 5,
    "reason": "OK",
    "status": 200,
}
HEAD_FRAMES: list[tuple[int, Any]] = [
    (Kind.HEADER, HEADER),
    (Kind.REQUEST, REQUEST_FIELDS),
    (Kind.RESPONSE, RESPONSE_FIELDS),
]


def write_full() -> bytes:
    """Write a finished cassette with three events."""
    tape = RecordWriter()
    return b"".join(
        [
            MAGIC,
            tape.header(Header(recorded_at="2026-01-02T03:04:05Z")),
            tape.request(clean_request(REQUEST, Secrets())),
            tape.response(clean_response(RESPONSE, Secrets())),
            tape.parts(
                10,
                [clean_bytes(EVENTS[0], Secrets()), clean_bytes(EVENTS[1], Secrets())],
            ),
            tape.parts(30, [clean_bytes(EVENTS[2], Secrets())]),
            tape.end(ENDING, SUMMARY),
        ]
    )


def craft(*frames: tuple[int, Any], flags: int = 0) -> bytes:
    """Make a file whose frames verify, whatever they hold."""
    writer = FrameWriter()
    packed = [writer.pack(kind, msgpack.packb(v), flags=flags) for kind, v in frames]
    return MAGIC + b"".join(packed)


def craft_ended(events: list[Any], **changed: Any) -> bytes:
    """Make a file with a sound END, but for the fields that are given."""
    writer = FrameWriter()
    frames = [*HEAD_FRAMES, *((Kind.EVENT, event) for event in events)]
    before = MAGIC + b"".join(writer.pack(kind, msgpack.packb(v)) for kind, v in frames)
    fields = {
        "body_bytes": sum(len(raw) for _, raw in events),
        "detail": "",
        "offset_ns": 40,
        "parts": len(events),
        "reason": "complete",
        "sha256": hashlib.sha256(before).digest(),
        "summary": {},
    }
    return before + writer.pack(Kind.END, msgpack.packb(fields | changed))


def renumber(packed: bytes, sequence: int) -> bytes:
    """Give a frame another number and the CRC that goes with it."""
    size, kind, flags, _, _ = HEAD.unpack_from(packed)
    payload = packed[HEAD.size :]
    checked = struct.pack("<IBBH", size, kind, flags, sequence)
    return HEAD.pack(size, kind, flags, sequence, crc32(checked + payload)) + payload


def write_trailer(end: int) -> bytes:
    """Write a trailer that says where the END begins, true or not."""
    return TRAILER.pack(end, TRAILER_MAGIC)
