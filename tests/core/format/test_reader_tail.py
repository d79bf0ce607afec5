"""
What is behind the last sound frame; what a reader makes of it is in test_damage.py.
"""

from __future__ import annotations

import pytest

from crafting import renumber, write_trailer
from streamtape.core.format.frames import HEAD, MAX_PAYLOAD_BYTES, Frame
from streamtape.core.format.reader import (
    check_trailer,
    find_later_frame,
    holds_conflict,
    is_truncated,
)
from streamtape.core.format.writer import FrameWriter
from streamtape.errors import DamagedCassetteError

PACKED = renumber(FrameWriter().pack(1, b"abc"), 77)


def test_a_sound_frame_is_found_behind_damage() -> None:
    junk = b"\0\1\2" * 7

    assert find_later_frame(junk + PACKED + junk) == Frame(1, 0, b"abc", len(junk))
    assert find_later_frame(junk + PACKED[:-1]) is None
    assert find_later_frame(PACKED) is None


def test_a_sound_frame_is_found_behind_what_looks_like_others() -> None:
    """Bytes of an image look like a hundred heads, whose lengths all lie."""
    lies = b"".join(HEAD.pack(size << 16, 4, 0, 0, 0) for size in range(2, 256)) * 4

    found = find_later_frame(lies + PACKED)

    assert found == Frame(1, 0, b"abc", len(lies))


def test_a_sound_frame_of_the_largest_size_is_found() -> None:
    packed = FrameWriter().pack(200, b"x" * MAX_PAYLOAD_BYTES, flags=3)

    assert find_later_frame(b"!" + packed) is not None


@pytest.mark.case(21)
@pytest.mark.parametrize(
    "likely",
    [
        pytest.param(HEAD.pack(MAX_PAYLOAD_BYTES, 1, 0, 0, 0), id="long"),
        pytest.param(HEAD.pack(1, 1, 0, 0, 0), id="short"),
        pytest.param(b"\0\0\0\0\1\0", id="empty"),
    ],
)
def test_the_search_for_a_frame_gives_up(likely: bytes) -> None:
    """A tail where every place looks like a frame is not searched for ever."""
    heads = likely * (MAX_PAYLOAD_BYTES // len(likely))

    assert find_later_frame(heads + PACKED) is None


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        pytest.param(b"", True, id="nothing"),
        pytest.param(b"\0" * 5000, True, id="zeros"),
        pytest.param(PACKED[:5], True, id="part-of-a-head"),
        pytest.param(PACKED[:-1], True, id="part-of-a-payload"),
        pytest.param(PACKED[:-1] + b"\0" * 50, True, id="and-zeros"),
        pytest.param(PACKED, False, id="all-of-it"),
        pytest.param(PACKED[:-1] + b"\0" * 50 + b"x", False, id="zeros-and-more"),
        pytest.param(HEAD.pack(0, 1, 0, 0, 0) + b"x", False, id="no-length"),
        pytest.param(
            HEAD.pack(2**32 - 1, 1, 0, 0, 2**31), False, id="a-length-that-lies"
        ),
        pytest.param(HEAD.pack(9999, 1, 0, 0, 1) + PACKED, False, id="a-frame-within"),
    ],
)
def test_less_than_a_frame_is_truncated(tail: bytes, expected: bool) -> None:
    assert is_truncated(tail) is expected


def test_behind_the_end_there_is_its_trailer_or_its_beginning() -> None:
    trailer = write_trailer(700)
    for size in range(len(trailer) + 1):
        check_trailer(trailer[:size], 700, 800)
        # A file had grown, and what it was to hold was lost with the power.
        check_trailer(trailer[:size].ljust(len(trailer), b"\0"), 700, 800)

    with pytest.raises(DamagedCassetteError, match="816: bytes follow its end"):
        check_trailer(trailer + b"\0", 700, 800)
    with pytest.raises(DamagedCassetteError, match="800: its trailer is wrong"):
        check_trailer(trailer, 701, 800)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b"<<<<<<< HEAD\n", True),
        (b"...\n<<<<<<< HEAD\n", True),
        (b"...\n>>>>>>> theirs\n", True),
        (b"a <<<<<<< b", False),
    ],
)
def test_a_conflict_is_told_by_its_markers(tail: bytes, expected: bool) -> None:
    assert holds_conflict(tail) is expected
