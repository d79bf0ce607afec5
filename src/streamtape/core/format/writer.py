"""
Writing the records of a cassette, each in its frames.

Frames are numbered, have a checksum, and are split where a payload is long.
"""

from __future__ import annotations

import hashlib
from typing import Any
from zlib import crc32

from streamtape.core.format.frames import (
    CHECKED_HEAD,
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    SEQUENCE_NUMBERS,
    TRAILER,
    TRAILER_MAGIC,
    Flags,
    Frame,
)
from streamtape.core.format.packing import is_readable, pack_value, part_packer
from streamtape.core.format.records import End, Header, Kind, Record
from streamtape.core.model import Ending, Part, Response
from streamtape.core.redaction.headers import CleanRequest, CleanResponse
from streamtape.core.redaction.text import CleanBytes


class RecordWriter:
    """
    Packs the records of one interaction in the order of the file.

    Takes clean values only: the types are made by the redactor and nowhere else,
    so that nothing that was not redacted can be packed.
    """

    def __init__(self) -> None:
        self._frames = FrameWriter()
        self._pack_part = part_packer()
        self._part_count = 0
        self._body_bytes = 0
        self._part_kind = Kind.BODY

    def header(self, header: Header) -> bytes:
        """Pack what the file says about itself; the magic is the caller's to write."""
        fields: dict[str, Any] = {}
        if header.match is not None:
            fields["match"] = header.match
        fields["minor"] = header.minor
        if header.recorded_at is not None:
            fields["recorded_at"] = header.recorded_at
        return self._pack(Kind.HEADER, fields)

    def request(self, request: CleanRequest) -> bytes:
        """Pack the request."""
        _check_clean(request, CleanRequest)
        fields = {
            "body": request.body,
            "headers": request.headers,
            "method": request.method,
            "target": request.target,
        }
        return self._pack(Kind.REQUEST, fields)

    def response(self, response: CleanResponse) -> bytes:
        """Pack the response's head; its media type decides what its parts are."""
        _check_clean(response, CleanResponse)
        if response.is_event_stream:
            self._part_kind = Kind.EVENT
        fields = {
            "headers": response.headers,
            "offset_ns": response.offset_ns,
            "reason": response.reason,
            "status": response.status,
        }
        return self._pack(Kind.RESPONSE, fields)

    def parts(self, offset_ns: int, raws: list[CleanBytes]) -> bytes:
        """Pack the events, or the chunk, that came whole at one time."""
        kind = self._part_kind
        frames = []
        for raw in raws:
            _check_clean(raw, CleanBytes)
            frames.append(self._frames.pack(kind, self._pack_part((offset_ns, raw))))
            self._body_bytes += len(raw)
        self._part_count += len(raws)
        packed = b"".join(frames)
        self._frames.account(packed)
        return packed

    def keep(self, frame: Frame, payload: CleanBytes, record: Record | None) -> bytes:
        """
        Pack a frame of another file as it is, whether or not it is known.

        Args:
            payload: Of the frame, made sure to hold no secret.
            record: What is whole with this frame. The END is packed with its trailer.
        """
        _check_clean(payload, CleanBytes)
        packed = self._frames.pack(frame.kind, payload, flags=frame.flags)
        match record:
            case End():
                return packed + self._frames.trailer()
            case Response() if record.is_event_stream:
                self._part_kind = Kind.EVENT
            case Part():
                self._part_count += 1
                self._body_bytes += len(record.raw)
        self._frames.account(packed)
        return packed

    def end(self, ending: Ending, summary: dict[str, Any]) -> bytes:
        """
        Pack the ending and the trailer; nothing may be packed after it.

        A summary that is too long for a reader is left out: it decides nothing.
        """
        fields = {
            "body_bytes": self._body_bytes,
            "detail": ending.detail,
            "offset_ns": ending.offset_ns,
            "parts": self._part_count,
            "reason": ending.reason.value,
            "sha256": self._frames.digest,
            "summary": summary,
        }
        packed = pack_value(fields)
        if not is_readable(packed):
            packed = pack_value(fields | {"summary": {}})
        return self._frames.pack(Kind.END, packed) + self._frames.trailer()

    def _pack(self, kind: Kind, fields: dict[str, Any]) -> bytes:
        packed = self._frames.pack(kind, pack_value(fields))
        self._frames.account(packed)
        return packed


def _check_clean(value: object, kind: type) -> None:
    """Refuse what no redactor made, even where the types were not checked."""
    if type(value) is not kind:
        message = f"expected {kind.__name__}, got {type(value).__name__}"
        raise TypeError(message)


# Bound once, and not at each frame: Python is slow to call what an imported name has.
_pack_head = HEAD.pack
_pack_checked_head = CHECKED_HEAD.pack


class FrameWriter:
    """Turns payloads into the bytes of a file, in order."""

    def __init__(self) -> None:
        self._sequence = 0
        self._digest = hashlib.sha256(MAGIC)
        self._position = len(MAGIC)

    def pack(self, kind: int, payload: bytes, *, flags: int = 0) -> bytes:
        """
        Return the frame, or the frames where the payload is longer than one holds.
        """
        if len(payload) <= MAX_PAYLOAD_BYTES:
            return self._pack_one(kind, payload, flags)
        packed = []
        last = (len(payload) - 1) // MAX_PAYLOAD_BYTES * MAX_PAYLOAD_BYTES
        for start in range(0, last + 1, MAX_PAYLOAD_BYTES):
            more = 0 if start == last else Flags.MORE
            piece = payload[start : start + MAX_PAYLOAD_BYTES]
            packed.append(self._pack_one(kind, piece, flags | more))
        return b"".join(packed)

    def account(self, packed: bytes) -> None:
        """Add frames to the digest and the position, once, in the order of the file."""
        self._digest.update(packed)
        self._position += len(packed)

    @property
    def digest(self) -> bytes:
        """SHA-256 of all bytes accounted for so far."""
        return self._digest.digest()

    def trailer(self) -> bytes:
        """The last bytes of the file; call it before the END frame is accounted for."""
        return TRAILER.pack(self._position, TRAILER_MAGIC)

    def _pack_one(self, kind: int, payload: bytes, flags: int) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) % SEQUENCE_NUMBERS
        size = len(payload)
        crc = crc32(payload, crc32(_pack_checked_head(size, kind, flags, sequence)))
        return _pack_head(size, kind, flags, sequence, crc) + payload
