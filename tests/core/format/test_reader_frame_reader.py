from __future__ import annotations

import hashlib

import pytest

from helpers import every_split
from streamtape.core.format.frames import HEAD, MAGIC, MAX_PAYLOAD_BYTES, Frame
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.writer import FrameWriter

PAYLOADS = [b"one", b"\0" * 5, b"three"]


def pack(*payloads: bytes) -> list[bytes]:
    writer = FrameWriter()
    return [writer.pack(kind, payload) for kind, payload in enumerate(payloads, 1)]


def read(*blocks: bytes) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader()
    return [frame for block in blocks for frame in reader.feed(block)], reader


def test_frames_are_found_however_the_file_comes() -> None:
    data = MAGIC + b"".join(pack(*PAYLOADS))

    for blocks in every_split(data):
        frames, reader = read(*blocks)

        assert [frame.payload for frame in frames] == PAYLOADS
        assert [frame.kind for frame in frames] == [1, 2, 3]
        assert [frame.offset for frame in frames] == [9, 24, 41]
        assert (reader.offset, reader.pending, reader.fault) == (len(data), b"", None)


def test_the_digest_is_of_all_before_the_last_frame() -> None:
    """While more was read than was asked for, too."""
    packed = pack(*PAYLOADS)
    reader = FrameReader()
    before = MAGIC

    for frame, raw in zip(reader.feed(MAGIC + b"".join(packed)), packed, strict=True):
        assert frame.payload in raw
        assert reader.digest_before() == hashlib.sha256(before).digest()
        before += raw


@pytest.mark.parametrize("place", range(12 + 3))
def test_a_frame_with_one_wrong_byte_is_a_fault(place: int) -> None:
    """Nothing of it and nothing behind it is given, though what is behind is sound."""
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


@pytest.mark.case(24)
@pytest.mark.parametrize(
    "size", [0, MAX_PAYLOAD_BYTES + 1, 2**32 - 1], ids=["zero", "long", "longest"]
)
def test_a_length_that_lies_is_a_fault_at_once(size: int) -> None:
    """The reader doesn't wait for 4 GiB that never come."""
    _, reader = read(MAGIC, HEAD.pack(size, 1, 0, 0, 0))

    assert reader.fault is not None
    assert reader.fault.reason == f"a frame can't be {size} bytes long"


def test_nothing_comes_after_a_fault() -> None:
    reader = FrameReader()
    packed = pack(*PAYLOADS)
    assert list(reader.feed(MAGIC + packed[1])) == []

    assert list(reader.feed(packed[0])) == []
    assert reader.fault is not None
