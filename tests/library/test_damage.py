from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from proofs import Trials
from small_tape import (
    END,
    ENDING,
    PARTS,
    REQUEST,
    RESPONSE,
    STARTS,
    TRUNCATED,
    UNFINISHED,
    WHOLE,
    read_what_comes,
    record_parts,
)
from streamtape.core.format.frames import HEAD, MAGIC, MAX_PAYLOAD_BYTES, TRAILER
from streamtape.core.format.records import Kind
from streamtape.core.model import Ending, EndReason, Part
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    NotACassetteError,
)
from streamtape.library import read_cassette
from streamtape.library.reader import read_end


def test_the_sample_is_small_enough_to_flip_every_bit() -> None:
    assert len(STARTS) == 7
    assert len(WHOLE) < 600


@pytest.mark.case(19)
def test_a_cassette_cut_anywhere_keeps_what_was_whole(
    tape: Callable[[bytes], Path], trials: Trials
) -> None:
    """And is truncated; it never looks finished before its END is there."""
    ends = [*STARTS[1:], len(WHOLE) - TRAILER.size]
    for size in range(len(WHOLE)):
        records, ending = read_what_comes(tape(WHOLE[:size]))
        trials.ran += 1

        whole = sum(end <= size for end in ends)
        assert records == [REQUEST, RESPONSE, *PARTS][: max(0, whole - 1)], size
        if whole < 2:
            assert type(ending) is NotACassetteError, size
        elif whole < len(ends):
            last_ns = [0, 5, 7, 9, 9][whole - 2]
            assert ending == Ending(
                reason=EndReason.TRUNCATED, offset_ns=last_ns, detail=TRUNCATED
            ), size
        else:
            assert ending == ENDING, size


@pytest.mark.case(20)
def test_every_flipped_bit_of_a_finished_cassette_is_found(
    tape: Callable[[bytes], Path], trials: Trials
) -> None:
    """What is given before it is found is as recorded."""
    recorded = [REQUEST, RESPONSE, *PARTS]
    for place in range(len(WHOLE)):
        for bit in range(8):
            flipped = bytearray(WHOLE)
            flipped[place] ^= 1 << bit

            records, ending = read_what_comes(tape(bytes(flipped)))
            trials.ran += 1

            assert isinstance(ending, CassetteError), (place, bit)
            assert records == recorded[: len(records)], (place, bit)


@pytest.mark.case(20)
def test_every_flipped_bit_of_an_unfinished_cassette_gives_no_wrong_record(
    tape: Callable[[bytes], Path], trials: Trials
) -> None:
    recorded = [REQUEST, RESPONSE, *PARTS]
    for place in range(len(UNFINISHED)):
        for bit in range(8):
            flipped = bytearray(UNFINISHED)
            flipped[place] ^= 1 << bit

            records, ending = read_what_comes(tape(bytes(flipped)))
            trials.ran += 1

            assert len(records) < len(recorded), (place, bit)
            assert records == recorded[: len(records)], (place, bit)
            if isinstance(ending, Ending):
                assert ending.reason is EndReason.TRUNCATED, (place, bit)
                assert place >= STARTS[-2], (place, bit)


def change_frames(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Return the finished sample with its frames changed: removed, doubled, moved."""
    bounds = [*STARTS, len(WHOLE) - TRAILER.size]
    frames = [WHOLE[start:end] for start, end in pairwise(bounds)]
    return MAGIC + b"".join(change(frames)) + WHOLE[-TRAILER.size :]


@pytest.mark.case(23)
@pytest.mark.parametrize("place", range(7))
def test_a_missing_frame_is_damage(tape: Callable[[bytes], Path], place: int) -> None:
    data = change_frames(lambda f: f[:place] + f[place + 1 :])

    assert type(read_what_comes(tape(data))[1]) is DamagedCassetteError


@pytest.mark.case(23)
@pytest.mark.parametrize("place", range(7))
def test_a_doubled_frame_is_damage(tape: Callable[[bytes], Path], place: int) -> None:
    data = change_frames(lambda f: f[: place + 1] + f[place:])

    assert type(read_what_comes(tape(data))[1]) is DamagedCassetteError


@pytest.mark.case(23)
@pytest.mark.parametrize("place", range(6))
def test_swapped_frames_are_damage(tape: Callable[[bytes], Path], place: int) -> None:
    data = change_frames(
        lambda f: [*f[:place], f[place + 1], f[place], *f[place + 2 :]]
    )

    assert type(read_what_comes(tape(data))[1]) is DamagedCassetteError


@pytest.mark.case(22)
@pytest.mark.parametrize("zeros", [1, 11, 12, 64, 4096])
def test_zeros_behind_a_truncated_cassette_leave_it_truncated(
    tape: Callable[[bytes], Path], zeros: int
) -> None:
    """A file system that lost its power may leave them, wherever the file was cut."""
    for size in range(STARTS[2], len(UNFINISHED)):
        truncated = read_what_comes(tape(WHOLE[:size]))

        records, ending = read_what_comes(tape(WHOLE[:size] + bytes(zeros)))

        assert (records, ending) == truncated, size
        assert isinstance(ending, Ending), size


@pytest.mark.case(22)
def test_many_zeros_behind_a_truncated_cassette_leave_it_truncated(
    tape: Callable[[bytes], Path],
) -> None:
    path = tape(WHOLE[: END - 3] + bytes(3_000_000))

    assert read_cassette(path).parts == PARTS[:-1]
    assert read_cassette(path).ending.reason is EndReason.TRUNCATED


@pytest.mark.case(20)
@pytest.mark.parametrize("size", [64, 300_000, 3_000_000])
def test_zeros_with_more_behind_them_are_damage(
    tape: Callable[[bytes], Path], size: int
) -> None:
    """However many: the recorder went on, so the middle is lost and not the end."""
    path = tape(UNFINISHED[: STARTS[4]] + bytes(size) + UNFINISHED[STARTS[4] :])

    records, ending = read_what_comes(path)

    assert records == [REQUEST, RESPONSE, PARTS[0]]
    assert type(ending) is DamagedCassetteError
    assert ending.offset == STARTS[4]


@pytest.mark.case(22)
@pytest.mark.parametrize(
    "junk",
    [b"\0", b"x", b"\n", bytes(64), WHOLE, WHOLE[len(MAGIC) :], WHOLE[-16:]],
    ids=["zero", "x", "newline", "zeros", "cassette", "frames", "trailer"],
)
def test_what_follows_a_finished_cassette_is_damage(
    tape: Callable[[bytes], Path], junk: bytes
) -> None:
    records, ending = read_what_comes(tape(WHOLE + junk))

    assert records == [REQUEST, RESPONSE, *PARTS]
    assert type(ending) is DamagedCassetteError
    assert ending.offset == len(WHOLE)


@pytest.mark.case(22)
@pytest.mark.parametrize(
    "junk",
    [b"\xff" * 12, WHOLE[END:], b"\0" * 12 + b"x"],
    ids=["bytes", "end-after-nothing", "zeros-and-more"],
)
def test_junk_behind_a_truncated_cassette_is_damage(
    tape: Callable[[bytes], Path], junk: bytes
) -> None:
    records, ending = read_what_comes(tape(WHOLE[: STARTS[4]] + junk))

    assert records == [REQUEST, RESPONSE, PARTS[0]]
    assert type(ending) is DamagedCassetteError


@pytest.mark.case(26, 27)
@pytest.mark.parametrize(
    "position",
    [
        *(0, 1, 9, STARTS[1], END - 1, END + 1, 2**32, 2**63, 2**64 - 1),
        *(len(WHOLE) - 16, len(WHOLE) - 8, len(WHOLE), len(WHOLE) + 1),
    ],
)
def test_a_trailer_that_points_elsewhere_is_damage(
    tape: Callable[[bytes], Path], position: int
) -> None:
    """And a listing finds no END through it."""
    path = tape(WHOLE[:-16] + position.to_bytes(8, "little") + WHOLE[-8:])

    _, ending = read_what_comes(path)

    assert isinstance(ending, DamagedCassetteError)
    assert "trailer" in str(ending)
    assert read_end(path) is None


@pytest.mark.case(27)
@pytest.mark.parametrize("reading", ["END", "EVENT", "zeros"])
def test_a_trailer_behind_no_end_is_damage(
    tape: Callable[[bytes], Path], reading: str
) -> None:
    """It says where the END begins, and what stands there is none."""
    end = {
        "END": WHOLE[END:-17] + b"x",
        "EVENT": WHOLE[STARTS[3] : STARTS[4]],
        "zeros": bytes(len(WHOLE) - END - TRAILER.size),
    }[reading]
    path = tape(WHOLE[:END] + end + WHOLE[-TRAILER.size :])

    records, ending = read_what_comes(path)

    assert records == [REQUEST, RESPONSE, *PARTS]
    assert isinstance(ending, DamagedCassetteError)
    assert ending.offset == END
    assert read_end(path) is None


@pytest.mark.case(24)
@pytest.mark.parametrize("size", [2**32 - 1, MAX_PAYLOAD_BYTES, 100_000, 0])
def test_a_length_beyond_the_file_makes_no_room(
    tape: Callable[[bytes], Path], size: int
) -> None:
    path = tape(WHOLE[:END] + HEAD.pack(size, Kind.EVENT, 0, 6, 2**31) + b"x" * 99)
    tracemalloc.start()
    try:
        records, ending = read_what_comes(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert records == [REQUEST, RESPONSE, *PARTS]
    assert isinstance(ending, Ending) == (len(PARTS) < size <= MAX_PAYLOAD_BYTES)
    assert peak < 1024 * 1024


def test_damage_far_behind_is_found_when_it_is_reached(
    tape: Callable[[bytes], Path],
) -> None:
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    data = bytearray(record_parts(*parts))
    data[900_000] ^= 1

    records, ending = read_what_comes(tape(bytes(data)))

    assert records[2:] == parts[: len(records) - 2]
    assert 170 < len(records) < 190
    assert type(ending) is DamagedCassetteError
    assert 890_000 < ending.offset <= 900_000


def test_an_error_names_the_file_and_the_place(tape: Callable[[bytes], Path]) -> None:
    data = bytearray(WHOLE)
    data[STARTS[4] + 20] ^= 1
    path = tape(bytes(data))

    _, error = read_what_comes(path)

    assert str(error) == f"{path}: damaged at byte {STARTS[4]}: a checksum is wrong"
