"""
Single records, found where they stand without reading what is around them.

For indexes and listings; only a
:class:`~streamtape.core.format.tape_reader.TapeReader` tells whether a file is sound.
"""

from __future__ import annotations

from streamtape.core.format.frames import HEAD, MAGIC, Flags, find_frame
from streamtape.core.format.packing import UNDECODABLE, unpack_value
from streamtape.core.format.records import End, Header, Kind, Record, decode_record
from streamtape.core.model import Request


def find_header(start: bytes) -> Header | None:
    """
    Read the HEADER in the first bytes of a file, or return None where none is whole.

    For indexes: what stands behind it in the file is not looked at.
    """
    return _find_header(start)[0]


def find_request(start: bytes) -> Request | None:
    """
    Read the REQUEST in the first bytes of a file, or return None where none is whole.

    It must follow the HEADER at once and be in one frame, as it is but in odd files.
    For indexes, as it takes a third of a :class:`TapeReader`'s time.
    """
    header, end = _find_header(start)
    if header is None:
        return None
    record, _ = _find_single(start, Kind.REQUEST, end)
    return record if isinstance(record, Request) else None


def find_end(frame: bytes) -> End | None:
    """
    Read an END frame on its own, or return None where the bytes are none.

    For listings: what stands before it in the file is not looked at.
    """
    record, end = _find_single(frame, Kind.END, 0)
    return record if isinstance(record, End) and end == len(frame) else None


def _find_header(start: bytes) -> tuple[Header | None, int]:
    if not start.startswith(MAGIC):
        return None, 0
    record, end = _find_single(start, Kind.HEADER, len(MAGIC))
    return (record, end) if isinstance(record, Header) else (None, end)


def _find_single(data: bytes, kind: Kind, start: int) -> tuple[Record | None, int]:
    """
    Read the record that is one sound frame at a place; returns where it ends, too.
    """
    frame = find_frame(data, start)
    if frame is None or frame.kind != kind or frame.flags & Flags.MORE:
        return None, start
    try:
        record = decode_record(kind, unpack_value(frame.payload))
    except UNDECODABLE:
        return None, start
    return record, start + HEAD.size + len(frame.payload)
