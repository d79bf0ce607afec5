from __future__ import annotations

import hashlib
import struct
from zlib import crc32

import pytest

from streamtape.core.format.frames import (
    MAGIC,
    MAX_PAYLOAD_BYTES,
    TRAILER_MAGIC,
    Flags,
    Frame,
)
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.writer import FrameWriter

PAYLOADS = [b"one", b"\0" * 5, b"three"]


def read(packed: bytes) -> list[Frame]:
    reader = FrameReader()
    frames = list(reader.feed(MAGIC + packed))
    assert reader.fault is None
    return frames


def test_a_frame_is_laid_out_as_the_format_says() -> None:
    """Length, type, flags, number and CRC-32 in little-endian, then the payload."""
    writer = FrameWriter()
    writer.pack(1, b"x")

    packed = writer.pack(4, b"abc", flags=Flags.CRITICAL)

    checked = b"\x03\0\0\0" + b"\x04" + b"\x02" + b"\x01\0"
    crc = crc32(checked + b"abc").to_bytes(4, "little")
    assert packed == checked + crc + b"abc"


def test_the_writer_knows_the_digest_and_where_the_end_is() -> None:
    writer = FrameWriter()
    for payload in PAYLOADS:
        writer.account(writer.pack(1, payload))
    assert writer.trailer() == struct.pack("<Q", 9 + 36 + 13) + TRAILER_MAGIC
    packed = FrameWriter()
    whole = MAGIC + b"".join(packed.pack(1, payload) for payload in PAYLOADS)
    assert writer.digest == hashlib.sha256(whole).digest()


def test_the_number_of_a_frame_wraps_around() -> None:
    writer = FrameWriter()
    packed = [writer.pack(1, b"x") for _ in range(0x10000 + 2)]
    assert packed[0] == packed[0x10000]

    frames = read(b"".join(packed))

    assert len(frames) == len(packed)


def test_a_long_payload_is_split_over_frames() -> None:
    payload = b"abcd" * (17 * 1024 * 256)
    writer = FrameWriter()
    packed = writer.pack(2, payload) + writer.pack(3, b"next")

    frames = read(packed)

    assert [(frame.kind, frame.flags) for frame in frames] == [
        (2, Flags.MORE),
        (2, 0),
        (3, 0),
    ]
    assert len(frames[0].payload) == MAX_PAYLOAD_BYTES
    assert frames[0].payload + frames[1].payload == payload


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES, 2 * MAX_PAYLOAD_BYTES])
def test_a_payload_that_just_fits_leaves_no_empty_frame(size: int) -> None:
    frames = read(FrameWriter().pack(2, b"x" * size))

    assert sum(len(frame.payload) for frame in frames) == size
    assert frames[-1].flags == 0
