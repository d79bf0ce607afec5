from __future__ import annotations

import hashlib
import struct
from zlib import crc32

import pytest

from crafting import renumber
from helpers import every_split
from streamtape.core.format.frames import (
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    TRAILER_MAGIC,
    Flags,
    Frame,
    FrameReader,
    FrameWriter,
    find_frame,
)
from streamtape.errors import NotACassetteError, UnsupportedVersionError

PAYLOADS = [b"one", b"\0" * 5, b"three"]


def pack(*payloads: bytes) -> list[bytes]:
    writer = FrameWriter()
    return [writer.pack(kind, payload) for kind, payload in enumerate(payloads, 1)]


def read(*blocks: bytes) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader()
    return [frame for block in blocks for frame in reader.feed(block)], reader


def test_a_frame_is_laid_out_as_the_format_says() -> None:
    """
    Length, type, flags, number and CRC-32 in little-endian, then the payload.
    """
    writer = FrameWriter()
    writer.pack(1, b"x")

    packed = writer.pack(4, b"abc", flags=Flags.CRITICAL)

    checked = b"\x03\0\0\0" + b"\x04" + b"\x02" + b"\x01\0"
    crc = crc32(checked + b"abc").to_bytes(4, "little")
    assert packed == checked + crc + b"abc"


def test_the_magic_betrays_every_text_conversion() -> None:
    assert MAGIC == b"\x89STP1\r\n\x1a\n"
    for changed in (
        MAGIC.replace(b"\r\n", b"\n"),
        MAGIC.replace(b"\n", b"\r\n"),
        MAGIC.decode("latin-1").encode(),
        MAGIC.decode(errors="replace").encode(),
        bytes(byte & 0x7F for byte in MAGIC),
        MAGIC.partition(b"\x1a")[0],
    ):
        assert changed != MAGIC


def test_frames_are_found_however_the_file_comes() -> None:
    data = MAGIC + b"".join(pack(*PAYLOADS))

    for blocks in every_split(data):
        frames, reader = read(*blocks)

        assert [frame.payload for frame in frames] == PAYLOADS
        assert [frame.kind for frame in frames] == [1, 2, 3]
        assert [frame.offset for frame in frames] == [9, 24, 41]
        assert (reader.offset, reader.pending, reader.fault) == (len(data), b"", None)


def test_the_digest_is_of_all_before_the_last_frame() -> None:
    """
    While more was read than was asked for, too.
    """
    packed = pack(*PAYLOADS)
    reader = FrameReader()
    before = MAGIC

    for frame, raw in zip(reader.feed(MAGIC + b"".join(packed)), packed, strict=True):
        assert frame.payload in raw
        assert reader.digest_before() == hashlib.sha256(before).digest()
        before += raw


def test_the_writer_knows_the_digest_and_where_the_end_is() -> None:
    writer = FrameWriter()
    for payload in PAYLOADS:
        writer.account(writer.pack(1, payload))
    assert writer.trailer() == struct.pack("<Q", 9 + 36 + 13) + TRAILER_MAGIC
    packed = FrameWriter()
    whole = MAGIC + b"".join(packed.pack(1, payload) for payload in PAYLOADS)
    assert writer.digest == hashlib.sha256(whole).digest()


@pytest.mark.parametrize("place", range(12 + 3))
def test_a_frame_with_one_wrong_byte_is_a_fault(place: int) -> None:
    """
    Nothing of it and nothing behind it is given, though what is behind is sound.
    """
    first, second, third = pack(*PAYLOADS)
    broken = bytearray(second)
    broken[place] ^= 0x10

    frames, reader = read(MAGIC + first + bytes(broken) + third)

    assert [frame.payload for frame in frames] == [PAYLOADS[0]]
    if reader.fault is None:  # Its length goes beyond the file now.
        assert place < 4
    else:
        assert reader.fault.offset == reader.offset == 24
    assert reader.pending == bytes(broken) + third


@pytest.mark.case(23)
@pytest.mark.parametrize(
    ("order", "got"),
    [
        pytest.param([0, 2], "got 2", id="removed"),
        pytest.param([0, 1, 1, 2], "got 1", id="doubled"),
        pytest.param([0, 2, 1], "got 2", id="swapped"),
        pytest.param([1, 2], "got 1", id="first-removed"),
    ],
)
def test_a_frame_out_of_its_place_is_a_fault(order: list[int], got: str) -> None:
    packed = pack(*PAYLOADS)

    _, reader = read(MAGIC + b"".join(packed[place] for place in order))

    assert reader.fault is not None
    assert got in reader.fault.reason


def test_the_number_of_a_frame_wraps_around() -> None:
    writer = FrameWriter()
    packed = [writer.pack(1, b"x") for _ in range(0x10000 + 2)]
    assert packed[0] == packed[0x10000]

    frames, reader = read(MAGIC + b"".join(packed))

    assert len(frames) == len(packed)
    assert reader.fault is None


@pytest.mark.case(24)
@pytest.mark.parametrize(
    "size", [0, MAX_PAYLOAD_BYTES + 1, 2**32 - 1], ids=["zero", "long", "longest"]
)
def test_a_length_that_lies_is_a_fault_at_once(size: int) -> None:
    """
    The reader doesn't wait for 4 GiB that never come.
    """
    _, reader = read(MAGIC, HEAD.pack(size, 1, 0, 0, 0))

    assert reader.fault is not None
    assert reader.fault.reason == f"a frame can't be {size} bytes long"


def test_nothing_comes_after_a_fault() -> None:
    reader = FrameReader()
    packed = pack(*PAYLOADS)
    assert list(reader.feed(MAGIC + packed[1])) == []

    assert list(reader.feed(packed[0])) == []
    assert reader.fault is not None


def test_a_long_payload_is_split_over_frames() -> None:
    payload = b"abcd" * (17 * 1024 * 256)
    writer = FrameWriter()
    packed = writer.pack(2, payload) + writer.pack(3, b"next")

    frames, _ = read(MAGIC + packed)

    assert [(frame.kind, frame.flags) for frame in frames] == [
        (2, Flags.MORE),
        (2, 0),
        (3, 0),
    ]
    assert len(frames[0].payload) == MAX_PAYLOAD_BYTES
    assert frames[0].payload + frames[1].payload == payload


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES, 2 * MAX_PAYLOAD_BYTES])
def test_a_payload_that_just_fits_leaves_no_empty_frame(size: int) -> None:
    frames, reader = read(MAGIC + FrameWriter().pack(2, b"x" * size))

    assert sum(len(frame.payload) for frame in frames) == size
    assert frames[-1].flags == 0
    assert reader.fault is None


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("start", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(MAGIC[:5], "it ends after 5 bytes", id="within-the-magic"),
        pytest.param(b"\x1f\x8b\x08", "gunzip", id="gzip"),
        pytest.param(b"version https://git-lfs.github.com/", "git lfs pull", id="lfs"),
        pytest.param(b"<<<<<<< HEAD\n", "merge conflict", id="conflict"),
        pytest.param(b"\x89STP1\n\x1a\n", "text conversion", id="crlf-to-lf"),
        pytest.param(b"\x89STP1\r\r\n\x1a\r\n", "text conversion", id="lf-to-crlf"),
        pytest.param(b"\xc2\x89STP1\r\n\x1a\n", "text conversion", id="latin-to-utf8"),
        pytest.param(
            b"\xef\xbf\xbdSTP1\n\x1a\n", "text conversion", id="utf8-replaced"
        ),
        pytest.param(b"\tSTP1\r\n\x1a\n", "text conversion", id="seven-bits"),
        pytest.param(b"\xef\xbb\xbf\xc2\x89STP1\n", "text conversion", id="with-a-bom"),
        pytest.param(MAGIC.decode("latin-1").encode("utf-16"), "text", id="utf-16"),
        pytest.param(b"\x89STP\x1b\r\n\x1a\n", "byte 4 is 0x1b, not 0x31", id="esc"),
        pytest.param(b"\x88STP1\r\n\x1a\n", "byte 0 is 0x88, not 0x89", id="bit"),
        pytest.param(b"\x88STP2\r\n\x1a\n", "text conversion", id="two-bytes"),
    ],
)
def test_what_is_no_cassette_is_told_by_its_first_bytes(
    start: bytes, message: str
) -> None:
    reader = FrameReader()

    def read_all() -> None:
        list(reader.feed(start))
        reader.check_ended_in_magic()

    with pytest.raises(NotACassetteError, match=message):
        read_all()


@pytest.mark.case(28)
@pytest.mark.parametrize("version", "023456789")
def test_a_later_major_version_is_named(version: str) -> None:
    start = MAGIC.replace(b"1", version.encode())

    with pytest.raises(UnsupportedVersionError, match=f"format version {version}"):
        read(start + pack(b"x")[0])


def test_a_frame_is_found_on_its_own() -> None:
    """
    Whatever its number, and only where it begins and is whole.
    """
    packed = renumber(pack(b"abc")[0], 77)

    assert find_frame(b"xx" + packed, 2) == Frame(1, 0, b"abc", 2)
    assert find_frame(packed, 1) is None
    assert find_frame(packed[:-1]) is None
    assert find_frame(packed[:5]) is None
    assert find_frame(HEAD.pack(0, 1, 0, 0, 0)) is None
