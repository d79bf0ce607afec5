from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from small_tape import (
    ENDING,
    PARTS,
    REQUEST,
    RESPONSE,
    STARTS,
    WHOLE,
    read_what_comes,
    record_parts,
)
from streamtape.core.format.frames import MAGIC
from streamtape.core.model import EndReason, Part
from streamtape.errors import (
    CassetteError,
    NotACassetteError,
)
from streamtape.library import CassetteReader, read_cassette


def test_a_cassette_is_read_as_it_was_recorded(tape: Callable[[bytes], Path]) -> None:
    cassette = read_cassette(tape(WHOLE))

    assert cassette.name == "a"
    assert cassette.request == REQUEST
    assert cassette.response == RESPONSE
    assert cassette.parts == PARTS
    assert cassette.ending == ENDING


def test_a_path_may_be_text(tape: Callable[[bytes], Path]) -> None:
    assert read_cassette(str(tape(WHOLE))).parts == PARTS


def test_a_long_cassette_is_read_in_blocks(tape: Callable[[bytes], Path]) -> None:
    """Events of every size, so that blocks end anywhere within frames."""
    parts = [
        Part(1000 + number, b"data: " + b"x" * (number * 37 % 5000) + b"\n\n")
        for number in range(1000)
    ]
    path = tape(record_parts(*parts))
    assert path.stat().st_size > 4 * 256 * 1024

    with CassetteReader(path) as reader:
        assert reader.end is None
        assert list(reader.parts()) == parts
        assert reader.end is not None
        assert reader.ending == ENDING


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


@pytest.mark.case(32)
def test_a_file_that_is_cut_while_it_is_read_is_truncated(
    tape: Callable[[bytes], Path],
) -> None:
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    path = tape(record_parts(*parts))

    with CassetteReader(path) as reader:
        left = reader.parts()
        given = [next(left)]
        os.truncate(path, 300_000)
        given.extend(left)

        assert given == parts[: len(given)]
        assert 50 < len(given) < 60
        assert reader.ending.reason is EndReason.TRUNCATED


@pytest.mark.case(32)
def test_a_file_that_is_unlinked_while_it_is_read_is_read_on(
    tape: Callable[[bytes], Path],
) -> None:
    path = tape(WHOLE)

    with CassetteReader(path) as reader:
        path.unlink()

        assert tuple(reader.parts()) == PARTS


def test_a_file_that_grows_while_it_is_read_is_truncated(
    tape: Callable[[bytes], Path],
) -> None:
    """It is being recorded; what came after what was read is not damage."""
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
            assert is_over or reader.ending.reason is EndReason.TRUNCATED, size


def descriptor_of(path: Path) -> int:
    """Return the descriptor by which this process has a file open."""
    return next(
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and link.readlink() == path
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can't be read")
def test_a_disk_that_fails_is_an_error_of_the_cassette(
    tape: Callable[[bytes], Path],
) -> None:
    """The file becomes one of which Linux can't read a byte, while it is read."""
    parts = [Part(1000, b"data: " + b"x" * 5000 + b"\n\n")] * 200
    path = tape(record_parts(*parts))
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


def test_a_reader_may_be_closed_twice(tape: Callable[[bytes], Path]) -> None:
    reader = CassetteReader(tape(WHOLE))

    reader.close()
    reader.close()
