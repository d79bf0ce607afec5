from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import pytest

from proofs import Trials
from streamtape.core.format.frames import (
    HEAD,
    MAGIC,
    MAX_PAYLOAD_BYTES,
    TRAILER,
    FrameReader,
)
from streamtape.core.format.records import Kind
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.secrecy.heads import clean_request
from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    DamagedCassetteError,
    NotACassetteError,
)
from streamtape.library import CassetteReader, read_cassette
from streamtape.library.reader import read_end, read_header, read_request

REQUEST = Request(method="POST", target="/v1/messages", body=b"{}")
STREAM = ("content-type", "text/event-stream")
RESPONSE = Response(status=200, reason="OK", headers=(STREAM,), offset_ns=5)
PARTS = (
    Part(7, b"data: a  \n\n"),
    Part(9, b"data: b\r\n\r\n"),
    Part(9, b": c\n\n"),
)
TORN = "the recorder was stopped before it could write the end"
ENDING = Ending(reason=EndReason.COMPLETE, offset_ns=12)


def record(*parts: Part) -> bytes:
    recording = Recording(clean_request(REQUEST), recorded_at=None)
    packed = recording.begin(RESPONSE)
    for part in parts:
        packed += recording.feed(part.raw, part.offset_ns)
    return packed + recording.end(ENDING.reason, ENDING.offset_ns)


WHOLE = record(*PARTS)
STARTS = [frame.offset for frame in FrameReader().feed(WHOLE[: -TRAILER.size])]
"""Where each frame begins: header, request, response, three events and the end."""
END = STARTS[-1]
UNFINISHED = WHOLE[:END]


@pytest.fixture
def tape(tmp_path: Path) -> Callable[[bytes], Path]:
    """
    Write the bytes of a cassette and return its path.
    """
    path = tmp_path / "a.tape"

    def write(data: bytes) -> Path:
        path.write_bytes(data)
        return path

    return write


def read_what_comes(path: Path) -> tuple[list[object], Ending | CassetteError]:
    """
    Return the records that a reader gives, and how it ended.
    """
    records: list[object] = []
    try:
        with CassetteReader(path) as reader:
            records.append(reader.request)
            if reader.response is not None:
                records.append(reader.response)
            records.extend(reader.parts())
            return records, reader.ending
    except CassetteError as error:
        return records, error


def test_the_sample_is_small_enough_to_flip_every_bit() -> None:
    assert len(STARTS) == 7
    assert len(WHOLE) < 600


def test_a_cassette_is_read_as_it_was_recorded(tape: Callable[[bytes], Path]) -> None:
    cassette = read_cassette(tape(WHOLE))

    assert cassette.name == "a"
    assert cassette.request == REQUEST
    assert cassette.response == RESPONSE
    assert cassette.parts == PARTS
    assert cassette.ending == ENDING


def test_a_path_may_be_text(tape: Callable[[bytes], Path]) -> None:
    assert read_cassette(str(tape(WHOLE))).parts == PARTS


@pytest.mark.case(19)
def test_a_cassette_cut_anywhere_keeps_what_was_whole(
    tape: Callable[[bytes], Path], trials: Trials
) -> None:
    """
    And is torn; it never looks finished before its END is there.
    """
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
                reason=EndReason.TORN, offset_ns=last_ns, detail=TORN
            ), size
        else:
            assert ending == ENDING, size


@pytest.mark.case(20)
def test_every_flipped_bit_of_a_finished_cassette_is_found(
    tape: Callable[[bytes], Path], trials: Trials
) -> None:
    """
    What is given before it is found is as recorded.
    """
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
                assert ending.reason is EndReason.TORN, (place, bit)
                assert place >= STARTS[-2], (place, bit)


def change_frames(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """
    Return the finished sample with its frames changed: removed, doubled, moved.
    """
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
def test_zeros_behind_a_torn_cassette_leave_it_torn(
    tape: Callable[[bytes], Path], zeros: int
) -> None:
    """
    A file system that lost its power may leave them, wherever the file was cut.
    """
    for size in range(STARTS[2], len(UNFINISHED)):
        torn = read_what_comes(tape(WHOLE[:size]))

        records, ending = read_what_comes(tape(WHOLE[:size] + bytes(zeros)))

        assert (records, ending) == torn, size
        assert isinstance(ending, Ending), size


@pytest.mark.case(22)
def test_many_zeros_behind_a_torn_cassette_leave_it_torn(
    tape: Callable[[bytes], Path],
) -> None:
    path = tape(WHOLE[: END - 3] + bytes(3_000_000))

    assert read_cassette(path).parts == PARTS[:-1]
    assert read_cassette(path).ending.reason is EndReason.TORN


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
def test_junk_behind_a_torn_cassette_is_damage(
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
    """
    And a listing finds no END through it.
    """
    path = tape(WHOLE[:-16] + position.to_bytes(8, "little") + WHOLE[-8:])

    _, ending = read_what_comes(path)

    assert isinstance(ending, DamagedCassetteError)
    assert "trailer" in str(ending)
    assert read_end(path) is None


def test_a_listing_reads_the_end_alone(tape: Callable[[bytes], Path]) -> None:
    end = read_end(tape(WHOLE))

    assert end is not None
    assert (end.ending, end.part_count) == (ENDING, 3)


@pytest.mark.parametrize(
    "data", [b"", b"x", WHOLE[:END], WHOLE[:-1], WHOLE[-16:], WHOLE[-8:]]
)
def test_a_listing_finds_no_end_in_an_unfinished_file(
    tape: Callable[[bytes], Path], data: bytes
) -> None:
    assert read_end(tape(data)) is None


def test_a_listing_reads_no_file_whole(tape: Callable[[bytes], Path]) -> None:
    """
    The trailer of a crafted file may say that nearly all of it is the END.
    """
    path = tape(MAGIC)
    size = 40 * 1024 * 1024
    with path.open("r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(TRAILER.pack(len(MAGIC), b"STPEND\n\0"))
    tracemalloc.start()
    try:
        assert read_end(path) is None

        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_long_cassette_is_read_in_blocks(tape: Callable[[bytes], Path]) -> None:
    """
    Events of every size, so that blocks end anywhere within frames.
    """
    parts = [
        Part(1000 + number, b"data: " + b"x" * (number * 37 % 5000) + b"\n\n")
        for number in range(1000)
    ]
    path = tape(record(*parts))
    assert path.stat().st_size > 4 * 256 * 1024

    with CassetteReader(path) as reader:
        assert reader.end is None
        assert list(reader.parts()) == parts
        assert reader.end is not None
        assert reader.ending == ENDING


def test_damage_far_behind_is_found_when_it_is_reached(
    tape: Callable[[bytes], Path],
) -> None:
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    data = bytearray(record(*parts))
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


@pytest.mark.case(30)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"<html>", "not a cassette: it begins with b'<html>'", id="html"),
        pytest.param(b"", "not a cassette: the file is empty", id="empty"),
        pytest.param(MAGIC[:3], "not a cassette: it ends after 3 bytes", id="short"),
        pytest.param(
            MAGIC, "not a usable cassette: it ends before its request does", id="magic"
        ),
    ],
)
def test_a_file_that_was_never_a_cassette_is_named(
    tape: Callable[[bytes], Path], data: bytes, reason: str
) -> None:
    path = tape(data)

    _, error = read_what_comes(path)

    assert type(error) is NotACassetteError
    assert str(error).startswith(f"{path}: {reason}")


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFoundError, match="there is no such cassette"):
        CassetteReader(tmp_path / "a.tape")


def test_a_folder_is_no_cassette(tmp_path: Path) -> None:
    with pytest.raises(NotACassetteError, match="not a file"):
        CassetteReader(tmp_path)


def test_a_fifo_is_no_cassette_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    os.mkfifo(path)

    with pytest.raises(NotACassetteError, match="not a file"):
        CassetteReader(path)


def test_a_link_is_not_followed(tape: Callable[[bytes], Path], tmp_path: Path) -> None:
    """
    Nor one that leads round in circles.
    """
    link, circle = tmp_path / "link.tape", tmp_path / "circle.tape"
    link.symlink_to(tape(WHOLE))
    circle.symlink_to(circle)

    for path in (link, circle):
        with pytest.raises(NotACassetteError, match="a symbolic link"):
            CassetteReader(path)


@pytest.mark.case(32)
def test_a_file_that_is_cut_while_it_is_read_is_torn(
    tape: Callable[[bytes], Path],
) -> None:
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    path = tape(record(*parts))

    with CassetteReader(path) as reader:
        left = reader.parts()
        given = [next(left)]
        os.truncate(path, 300_000)
        given.extend(left)

        assert given == parts[: len(given)]
        assert 50 < len(given) < 60
        assert reader.ending.reason is EndReason.TORN


@pytest.mark.case(32)
def test_a_file_that_is_unlinked_while_it_is_read_is_read_on(
    tape: Callable[[bytes], Path],
) -> None:
    path = tape(WHOLE)

    with CassetteReader(path) as reader:
        path.unlink()

        assert tuple(reader.parts()) == PARTS


@pytest.mark.case(27)
@pytest.mark.parametrize("reading", ["END", "EVENT", "zeros"])
def test_a_trailer_behind_no_end_is_damage(
    tape: Callable[[bytes], Path], reading: str
) -> None:
    """
    It says where the END begins, and what stands there is none.
    """
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


@pytest.mark.case(20)
@pytest.mark.parametrize("size", [64, 300_000, 3_000_000])
def test_zeros_with_more_behind_them_are_damage(
    tape: Callable[[bytes], Path], size: int
) -> None:
    """
    However many: the recorder went on, so the middle is lost and not the end.
    """
    path = tape(UNFINISHED[: STARTS[4]] + bytes(size) + UNFINISHED[STARTS[4] :])

    records, ending = read_what_comes(path)

    assert records == [REQUEST, RESPONSE, PARTS[0]]
    assert type(ending) is DamagedCassetteError
    assert ending.offset == STARTS[4]


def test_a_file_that_grows_while_it_is_read_is_torn(
    tape: Callable[[bytes], Path],
) -> None:
    """
    It is being recorded; what came behind what was read is not damage.
    """
    for size in range(STARTS[2], len(WHOLE), 5):
        path = tape(WHOLE[:size])
        with CassetteReader(path) as reader:
            parts = reader.parts()
            first = list(islice(parts, 1))
            with path.open("ab") as file:
                file.write(WHOLE[size:])

            given = (*first, *parts)

            assert given == PARTS[: len(given)], size
            is_over = reader.end is not None
            assert is_over or reader.ending.reason is EndReason.TORN, size


def test_the_end_of_a_file_that_shrinks_is_none(tape: Callable[[bytes], Path]) -> None:
    path = tape(WHOLE)
    for size in (len(WHOLE) - 1, 16, 15, 0):
        os.truncate(path, size)

        assert read_end(path) is None


def descriptor_of(path: Path) -> int:
    """
    Return the descriptor by which this process has a file open.
    """
    return next(
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink() == path
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can't be read")
def test_a_disk_that_fails_is_an_error_of_the_cassette(
    tape: Callable[[bytes], Path],
) -> None:
    """
    The file becomes one of which Linux can't read a byte, while it is read.
    """
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    path = tape(record(*parts))
    with CassetteReader(path) as reader:
        left = reader.parts()
        given = [next(left)]
        unreadable = os.open("/proc/self/mem", os.O_RDONLY)
        os.dup2(unreadable, descriptor_of(path))
        os.close(unreadable)

        with pytest.raises(CassetteError) as caught:
            given.extend(left)

    assert given == parts[: len(given)]
    assert str(caught.value) == f"{path}: can't be read: Input/output error"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can't be read")
@pytest.mark.parametrize(
    "read", [CassetteReader, read_cassette, read_header, read_request, read_end]
)
def test_every_way_to_read_says_that_the_disk_fails(
    read: Callable[[Path], object],
) -> None:
    with pytest.raises(CassetteError, match=r"^/proc/self/mem: can't be read: "):
        read(Path("/proc/self/mem"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("x" * 300 + ".tape", "File name too long", id="long"),
        pytest.param("a.tape/b.tape", "Not a directory", id="below-a-file"),
    ],
)
def test_a_path_that_cannot_be_is_an_error_of_the_cassette(
    tape: Callable[[bytes], Path], name: str, reason: str
) -> None:
    path = tape(WHOLE).parent / name

    with pytest.raises(CassetteError, match=f"can't be read: {reason}"):
        CassetteReader(path)


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


def test_a_reader_may_be_closed_twice(tape: Callable[[bytes], Path]) -> None:
    reader = CassetteReader(tape(WHOLE))

    reader.close()
    reader.close()
