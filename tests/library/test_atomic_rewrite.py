from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from crafting import write_full
from reliability.failing_disk import CountingDisk
from streamtape.core.rewriting.frames import RecordFramesReader
from streamtape.errors import CassetteError, CassetteNotFoundError, NotACassetteError
from streamtape.library.atomic import NewFile
from streamtape.library.reader import read_record_frames


def test_the_pieces_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(write_full())
    reader = RecordFramesReader()

    assert len(list(read_record_frames(path, reader))) == 7
    assert reader.has_end


@pytest.mark.parametrize("data", [b"", b"\x89STP", b"{}"])
def test_a_file_that_is_no_cassette_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(data)

    with pytest.raises(NotACassetteError, match=r"a\.tape: not a cassette"):
        list(read_record_frames(path, RecordFramesReader()))
    with pytest.raises(CassetteNotFoundError):
        list(read_record_frames(tmp_path / "b.tape", RecordFramesReader()))


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_takes_a_free_place(tmp_path: Path, has_links: bool) -> None:
    place = tmp_path / "a.tape"
    with NewFile(place, disk=CountingDisk(has_links=has_links)) as new:
        new.write(b"one ")
        new.write(bytes(2**21))
        new.finish()
        assert not place.exists()
        new.place_new()

    assert place.read_bytes() == b"one " + bytes(2**21)
    assert list(tmp_path.iterdir()) == [place]
    assert place.stat().st_mode & 0o777 == 0o600


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path) -> None:
    disk = CountingDisk()
    with NewFile(tmp_path / "a.tape", disk=disk) as new:
        new.write(b"x")
        new.finish()
        new.place_new()
    with NewFile(tmp_path / "a.tape", disk=disk) as new:
        new.finish()
        new.replace()

    assert disk.calls == [
        *("create", "write", "sync", "link", "remove", "sync_folder"),
        *("create", "sync", "rename", "sync_folder"),
    ]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_place_that_is_taken_stays_so(tmp_path: Path, has_links: bool) -> None:
    place = tmp_path / "a.tape"
    with NewFile(place, disk=CountingDisk(has_links=has_links)) as new:
        new.finish()
        place.write_bytes(b"first")
        with pytest.raises(CassetteError, match="there is such a file already"):
            new.place_new()

    assert place.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [place]


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    place = tmp_path / "a.tape"
    place.write_bytes(b"old")
    with NewFile(place) as new, place.open("rb") as reader:
        new.write(b"new")
        new.finish(mode=0o640)
        new.replace()
        assert reader.read() == b"old"

    assert place.read_bytes() == b"new"
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with NewFile(tmp_path / "a.tape") as new:
        new.write(b"half")
        assert list(tmp_path.iterdir()) == [new.path]

    assert list(tmp_path.iterdir()) == []


class SignalledDisk(CountingDisk):
    """A disk in one of whose calls a signal comes, before its work or behind it."""

    is_behind = False

    def fail(self) -> None:
        if not self.is_behind:
            raise KeyboardInterrupt

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._end()
        return descriptor

    def hold(self, path: Path) -> None:
        # A file that was made this instant can't be told from another's.
        os.close(super().create(path))

    def link(self, path: Path, name: Path) -> None:
        super().link(path, name)
        self._end()

    def rename(self, path: Path, name: Path) -> None:
        super().rename(path, name)
        self._end()

    def _end(self) -> None:
        if self.is_behind and len(self.calls) == self.failing:
            raise KeyboardInterrupt


@pytest.mark.parametrize("is_behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("has_links", [True, False], ids=["links", "no-links"])
def test_a_signal_at_any_call_leaves_nothing_half(
    has_links: bool, is_behind: bool, tmp_path: Path
) -> None:
    for number in count(1):
        place = tmp_path / f"{number}.tape"
        disk = SignalledDisk(number, has_links=has_links)
        disk.is_behind = is_behind
        try:
            with NewFile(place, disk=disk) as new:
                new.write(b"whole")
                new.finish()
                new.place_new()
        except KeyboardInterrupt:
            pass
        left = list(tmp_path.iterdir())
        assert [path.read_bytes() for path in left] in ([], [b"whole"])
        assert left in ([], [place])
        place.unlink(missing_ok=True)
        if not disk.has_failed:
            break
    assert number > 5


def test_a_new_file_that_went_away_leaves_no_empty_one(tmp_path: Path) -> None:
    disk = CountingDisk(has_links=False)
    with NewFile(tmp_path / "a.tape", disk=disk) as new:
        new.finish()
        new.path.unlink()
        with pytest.raises(CassetteError, match="can't be written: No such file"):
            new.place_new()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "no" / "a.tape"

    with pytest.raises(CassetteError, match=r"a\.tape: can't be written: No such file"):
        NewFile(place).__enter__()
