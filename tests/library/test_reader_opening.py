from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from small_tape import (
    WHOLE,
)
from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    NotACassetteError,
)
from streamtape.library import CassetteReader, read_cassette
from streamtape.library.reader import read_end, read_header, read_request


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
    """Nor one that leads round in circles."""
    link, circle = tmp_path / "link.tape", tmp_path / "circle.tape"
    link.symlink_to(tape(WHOLE))
    circle.symlink_to(circle)

    for path in (link, circle):
        with pytest.raises(NotACassetteError, match="a symbolic link"):
            CassetteReader(path)


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


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that can't be read")
@pytest.mark.parametrize(
    "read", [CassetteReader, read_cassette, read_header, read_request, read_end]
)
def test_every_way_to_read_says_that_the_disk_fails(
    read: Callable[[Path], object],
) -> None:
    with pytest.raises(CassetteError, match=r"^/proc/self/mem: can't be read: "):
        read(Path("/proc/self/mem"))
