"""Cassettes that were cut, overwritten or added to: no event of one is ever wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from proofs import Trials
from streamtape.core.format.reader import FrameReader
from streamtape.core.model import Ending, EndReason
from streamtape.errors import CassetteError, DamagedCassetteError
from streamtape.library import CassetteReader, read_cassette
from streamtape.library.cache import CassetteCache
from taping import hello, start_tape, write_tape

WORDS = ("Grüße", " from", " a", " model", " that", " says", " much", ".")


@pytest.fixture
def chunks(trials: Trials) -> list[tuple[int, bytes]]:
    """The body of a cassette of 2 kB, or of 5 kB under ``--long``."""
    return hello(*WORDS * trials.many(quick=1, long=4))


@pytest.fixture
def whole(tmp_path: Path, chunks: list[tuple[int, bytes]]) -> bytes:
    """The bytes of a finished cassette."""
    return write_tape(tmp_path, chunks, name="whole").read_bytes()


@pytest.fixture
def truncated(tmp_path: Path, chunks: list[tuple[int, bytes]]) -> bytes:
    """The same, but for the end."""
    writer, _ = start_tape(tmp_path, chunks, name="truncated")
    assert writer.path is not None
    writer.close()
    return writer.path.read_bytes()


class Comparison:
    """Reads damaged forms of one file and counts what is wrong about them."""

    def __init__(self, folder: Path, data: bytes, trials: Trials) -> None:
        self._path = folder / "damaged.tape"
        self._trials = trials
        self._expected: list[object] = []
        self._ending: Ending | CassetteError | None = None
        self._expected, self._ending = self._read(data)
        self.endings: list[Ending | CassetteError] = []

    def read(self, damaged: bytes) -> None:
        """Read the file in another form; a silent end is wrong like another event."""
        records, ending = self._read(damaged)
        self.endings.append(ending)
        self._trials.ran += 1
        is_prefix = records == self._expected[: len(records)]
        is_whole = (
            isinstance(ending, Ending) and ending.reason is not EndReason.TRUNCATED
        )
        same = (records, ending) == (self._expected, self._ending)
        self._trials.wrong += not is_prefix or (is_whole and not same)

    def _read(self, data: bytes) -> tuple[list[object], Ending | CassetteError]:
        # A file that is cut and written again is one that ext4 waits for the disk with.
        self._path.unlink(missing_ok=True)
        self._path.write_bytes(data)
        records: list[object] = []
        try:
            with CassetteReader(self._path) as reader:
                records.append(reader.request)
                if reader.response is not None:
                    records.append(reader.response)
                records.extend(reader.parts())
                return records, reader.ending
        except CassetteError as error:
            return records, error


@pytest.fixture
def compare(tmp_path: Path, trials: Trials) -> Callable[[bytes], Comparison]:
    return lambda data: Comparison(tmp_path, data, trials)


def flips(data: bytes, *, every_bit: bool) -> Iterator[bytes]:
    """Give the file with one bit flipped, every one or a different one of each byte."""
    for place in range(len(data)):
        for bit in range(8) if every_bit else [place % 8]:
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            yield bytes(flipped)


def bounds_of(data: bytes) -> list[int]:
    """Return where the frames of a file begin, and where the last ends."""
    found = list(FrameReader().feed(data))
    last = found[-1]
    return [*(frame.offset for frame in found), last.offset + 12 + len(last.payload)]


@pytest.mark.case(19)
@pytest.mark.parametrize("sample", ["whole", "truncated"])
def test_a_file_cut_anywhere_gives_its_beginning(
    sample: str,
    request: pytest.FixtureRequest,
    compare: Callable[[bytes], Comparison],
    trials: Trials,
) -> None:
    """
    At every place under ``--long``, else at every fifth and around each frame's end.
    """
    data: bytes = request.getfixturevalue(sample)
    comparison = compare(data)
    sizes = {*range(0, len(data), trials.many(quick=5, long=1))}
    sizes |= {bound + by for bound in bounds_of(data) for by in (-1, 0, 1)}

    for size in sorted(sizes & {*range(len(data))}):
        comparison.read(data[:size])

    assert trials.wrong == 0
    endings = [each for each in comparison.endings if isinstance(each, Ending)]
    assert any(ending.reason is EndReason.TRUNCATED for ending in endings)


@pytest.mark.case(20)
@pytest.mark.parametrize("sample", ["whole", "truncated"])
def test_a_flipped_bit_never_changes_an_event(
    sample: str,
    request: pytest.FixtureRequest,
    compare: Callable[[bytes], Comparison],
    trials: Trials,
) -> None:
    data: bytes = request.getfixturevalue(sample)
    comparison = compare(data)

    for flipped in flips(data, every_bit=trials.is_long):
        comparison.read(flipped)

    assert trials.wrong == 0
    if sample == "whole":
        assert all(isinstance(each, CassetteError) for each in comparison.endings)


@pytest.mark.case(22)
@pytest.mark.parametrize("sample", ["whole", "truncated"])
def test_bytes_zeroed_removed_or_added_never_change_an_event(
    sample: str,
    request: pytest.FixtureRequest,
    compare: Callable[[bytes], Comparison],
    trials: Trials,
) -> None:
    """64 zeroed and 17 removed at every place; junk of every length behind."""
    data: bytes = request.getfixturevalue(sample)
    comparison = compare(data)
    junk = Random(7).randbytes(len(data))
    step = trials.many(quick=7, long=1)

    for at in range(0, len(data), step):
        zeros = bytes(len(data[at : at + 64]))
        comparison.read(data[:at] + zeros + data[at + 64 :])
        comparison.read(data[:at] + data[at + 17 :])
    for size in range(1, len(data), 8 * step):
        comparison.read(data + junk[:size])
        comparison.read(data + bytes(size))

    assert trials.wrong == 0


@pytest.mark.case(23)
@pytest.mark.parametrize("sample", ["whole", "truncated"])
def test_frames_out_of_place_never_change_an_event(
    sample: str,
    request: pytest.FixtureRequest,
    compare: Callable[[bytes], Comparison],
    trials: Trials,
) -> None:
    """Each removed, doubled, or moved behind each other one."""
    data: bytes = request.getfixturevalue(sample)
    comparison = compare(data)
    bounds = bounds_of(data)

    for at, (start, end) in enumerate(pairwise(bounds)):
        comparison.read(data[:start] + data[end:])
        comparison.read(data[:end] + data[start:])
        for to in bounds[at + 2 :]:
            comparison.read(data[:start] + data[end:to] + data[start:end] + data[to:])

    assert trials.wrong == 0


@pytest.mark.case(23)
def test_the_frames_of_another_file_never_change_an_event(
    tmp_path: Path, trials: Trials
) -> None:
    """
    Each has a right number and checksum, but the END of this file is not theirs.

    A replay reads a file to its END before it plays any of it.
    """
    path = write_tape(tmp_path, hello(*WORDS))
    other = write_tape(tmp_path, hello(*[word.upper() for word in WORDS]), name="other")
    expected, whole, donor = read_cassette(path), path.read_bytes(), other.read_bytes()
    refused = 0

    for (start, end), (from_, to) in zip(
        pairwise(bounds_of(whole)), pairwise(bounds_of(donor)), strict=True
    ):
        path.write_bytes(whole[:start] + donor[from_:to] + whole[end:])
        trials.ran += 1
        try:
            with CassetteCache().open(path) as cassette:
                trials.wrong += tuple(cassette.parts()) != expected.parts
        except DamagedCassetteError:
            refused += 1

    assert trials.wrong == 0
    assert refused >= len(WORDS)


@pytest.mark.case(32)
def test_a_file_that_is_being_recorded_is_never_damaged(
    tmp_path: Path, trials: Trials
) -> None:
    """Whenever it is read, what is there is given, and it is truncated."""
    writer, recording = start_tape(tmp_path, hello("one"))
    assert writer.path is not None
    path = writer.path
    is_over = threading.Event()

    def record() -> None:
        for number in range(trials.many(quick=500, long=20_000)):
            writer.write(recording.feed(b"data: %d\n\n" % number, 10**9 + number))
            # While this waits for the disk, the reader comes to the end of the file.
            writer.sync()
        is_over.set()

    recorder = threading.Thread(target=record)
    recorder.start()
    most = 0
    while not is_over.is_set():
        cassette = read_cassette(path)
        trials.ran += 1
        trials.wrong += cassette.ending.reason is not EndReason.TRUNCATED
        trials.lost += len(cassette.parts) < most
        most = len(cassette.parts)
    recorder.join()
    writer.close()

    assert (trials.wrong, trials.lost) == (0, 0)
    assert trials.ran > 1


@pytest.mark.case(32)
def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(
    tmp_path: Path,
) -> None:
    path = write_tape(tmp_path, hello(*["word " * 2000] * 200))
    expected = read_cassette(path).parts
    new = write_tape(tmp_path, hello("new"), name="new")

    with CassetteReader(path) as reader:
        parts = reader.parts()
        given = [next(parts)]
        new.replace(path)

        assert (*given, *parts) == expected


@pytest.mark.case(32)
def test_a_file_that_is_written_over_while_it_is_read_is_damaged(
    tmp_path: Path,
) -> None:
    path = write_tape(tmp_path, hello(*["word " * 2000] * 200))
    expected = read_cassette(path).parts

    with CassetteReader(path) as reader:
        parts = reader.parts()
        given = [next(parts)]
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(b"other")
        with pytest.raises(DamagedCassetteError, match="damaged at byte"):
            given.extend(parts)

    assert given == list(expected[: len(given)])
