from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from small_tape import (
    END,
    ENDING,
    WHOLE,
)
from streamtape.core.format.frames import MAGIC, TRAILER
from streamtape.library.reader import read_end


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
    """The trailer of a crafted file may say that nearly all of it is the END."""
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


def test_the_end_of_a_file_that_shrinks_is_none(tape: Callable[[bytes], Path]) -> None:
    path = tape(WHOLE)
    for size in (len(WHOLE) - 1, 16, 15, 0):
        os.truncate(path, size)

        assert read_end(path) is None
