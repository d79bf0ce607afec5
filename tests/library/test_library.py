from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from recorded import BYE, BYE_KEY, HELLO_KEY, HELLO_STEM, answers, begin, record
from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import EndReason
from streamtape.library import Entry, Library


def test_a_library_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    library = Library(tmp_path / "cassettes")

    library.refresh()

    assert library.is_empty
    assert library.entries() == []
    assert library.takes(HELLO_KEY) == []
    assert library.infos() == []
    assert not library.folder.exists()


def test_what_was_recorded_is_found_by_its_key(tmp_path: Path) -> None:
    """By the library that recorded it, and by another that looks at the folder."""
    library = Library(tmp_path / "cassettes")
    path = record(library)

    assert path.name == f"{HELLO_STEM}.tape"
    assert library.takes(HELLO_KEY) == [path]
    assert Library(library.folder).takes(HELLO_KEY) == [path]
    assert library.takes(BYE_KEY) == []
    assert not library.is_empty


def test_a_library_may_be_named_by_text(tmp_path: Path) -> None:
    path = record(Library(tmp_path))

    assert Library(str(tmp_path)).takes(HELLO_KEY) == [path]


def test_sub_folders_are_part_of_the_library(tmp_path: Path) -> None:
    library = Library(tmp_path)
    deep = record(library, folder=tmp_path / "b" / "c")
    top = record(library)
    first = record(library, folder=tmp_path / "a")

    assert library.takes(HELLO_KEY) == [top, first, deep]
    assert Library(tmp_path).takes(HELLO_KEY) == [top, first, deep]
    assert [entry.path for entry in library.entries()] == [top, first, deep]
    assert Library(tmp_path / "b").takes(HELLO_KEY) == [deep]


def test_hidden_and_linked_folders_are_not(tmp_path: Path) -> None:
    outside = Library(tmp_path / "outside")
    record(outside)
    library = Library(tmp_path / "cassettes")
    record(library, folder=library.folder / ".git")
    (library.folder / "link").symlink_to(outside.folder, target_is_directory=True)
    library.refresh()

    assert library.takes(HELLO_KEY) == []
    assert library.is_empty


def test_a_file_that_was_added_is_found(tmp_path: Path) -> None:
    """In the library, in a new folder and in an old one."""
    library = Library(tmp_path)
    record(library, BYE, folder=tmp_path / "old")
    library.refresh()
    assert library.takes(HELLO_KEY) == []

    for folder in (tmp_path, tmp_path / "new" / "deep", tmp_path / "old"):
        path = record(Library(folder))

        assert library.takes(HELLO_KEY) == [path]
        path.unlink()
        library.refresh()


def test_a_file_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    library = Library(tmp_path)
    first, second = record(library), record(library)
    first.unlink()

    library.refresh()

    assert library.takes(HELLO_KEY) == [second]


def test_a_folder_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    library = Library(tmp_path / "cassettes")
    record(library)
    shutil.rmtree(library.folder)

    library.refresh()

    assert library.takes(HELLO_KEY) == []


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    library = Library(tmp_path / "cassettes")
    path = record(library)
    other = record(Library(tmp_path / "other"), BYE)
    other.replace(path)

    library.refresh()

    assert library.takes(HELLO_KEY) == []
    assert library.takes(BYE_KEY) == [path]


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """The key is in the file, not in the name."""
    library = Library(tmp_path)
    path = record(library).rename(tmp_path / "renamed by hand.tape")
    library.refresh()

    assert library.takes(HELLO_KEY) == [path]


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"<<<<<<< HEAD\n", b"\x89STP1\r\n\x1a\n", b"\x89STP2\r\n\x1a\n"],
    ids=["empty", "junk", "conflict", "magic", "future"],
)
def test_a_file_that_is_no_cassette_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    """Once for each change of it."""
    library = Library(tmp_path)
    path = record(library)
    junk = tmp_path / "junk.tape"
    junk.write_bytes(data)

    library.refresh()
    library.refresh()

    assert library.takes(HELLO_KEY) == [path]
    assert [info.name for info in library.infos()] == [HELLO_STEM]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"left out: {junk}: " in caplog.text


@pytest.mark.case(31)
def test_odd_things_in_a_folder_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A fifo holds nobody up, and no link leads out."""
    library = Library(tmp_path / "cassettes")
    path = record(library)
    outside = record(Library(tmp_path / "outside"), BYE)
    os.mkfifo(library.folder / "fifo.tape")
    (library.folder / "link.tape").symlink_to(outside)
    (library.folder / "folder.tape").mkdir()
    (library.folder / "notes.txt").write_text("not looked at")
    (library.folder / "esc\x1b[31m\n.tape").write_text("junk")
    (library.folder / "loop.tape").symlink_to("loop.tape")
    (library.folder / os.fsdecode(b"no text \xff.tape")).write_text("junk")

    library.refresh()

    assert library.takes(HELLO_KEY) == [path]
    assert library.takes(BYE_KEY) == []
    assert len(caplog.records) == 5
    assert r"no text \udcff.tape" in caplog.text
    caplog.text.encode()


def test_the_part_of_a_killed_recorder_stands_in(tmp_path: Path) -> None:
    """As long as nothing else answers."""
    library = Library(tmp_path)
    writer, _ = begin(tmp_path, answer="truncated\n")
    writer.close()

    assert answers(library) == ["truncated\n"]
    assert library.is_empty
    assert [entry.is_part for entry in library.entries()] == [True]

    record(library, answer="whole")

    assert answers(library) == ["whole"]
    assert not library.is_empty


@pytest.mark.case(13)
def test_a_part_that_is_being_recorded_is_not_used(tmp_path: Path) -> None:
    """Not before its recorder is gone."""
    library = Library(tmp_path)
    writer, _ = begin(tmp_path)

    assert library.takes(HELLO_KEY) == []
    writer.close()
    assert library.takes(HELLO_KEY) == [tmp_path / f"{HELLO_STEM}.1.part"]


def test_a_part_that_has_got_its_name_is_found_under_it(tmp_path: Path) -> None:
    writer, recording = begin(tmp_path, answer="hello\n")
    watcher = Library(tmp_path)
    assert answers(watcher) == []
    writer.write(recording.end(EndReason.COMPLETE, 3))
    Library(tmp_path).commit(writer, HELLO_KEY, replace=False)

    assert answers(watcher) == ["hello\n"]


def test_takes_that_another_process_has_removed_are_not_given(tmp_path: Path) -> None:
    library = Library(tmp_path)
    record(library, answer="one")
    record(library, answer="two")
    watcher = Library(tmp_path)
    assert answers(watcher) == ["one", "two"]
    library.takes(HELLO_KEY)[1].unlink()

    assert answers(watcher) == ["one"]


@pytest.mark.parametrize(
    ("ended", "is_whole"),
    [
        (EndReason.COMPLETE, True),
        (EndReason.UPSTREAM_EOF, True),
        (EndReason.UPSTREAM_CUT, True),
        (EndReason.UPSTREAM_RESET, True),
        (EndReason.UPSTREAM_TIMEOUT, True),
        (EndReason.CLIENT_GONE, False),
        (EndReason.SHUTDOWN, False),
        (EndReason.DISK_ERROR, False),
    ],
)
def test_a_recording_is_whole_that_the_upstream_ended(
    tmp_path: Path, ended: EndReason, is_whole: bool
) -> None:
    """Be that a break: then it is what there was, and not what we have of it."""
    library = Library(tmp_path)
    assert not library.has_whole(HELLO_KEY)
    record(library, ended=ended)

    assert library.has_whole(HELLO_KEY) is is_whole


def test_a_library_tells_the_key_of_each_cassette(tmp_path: Path) -> None:
    """Parts and what can't be read have none."""
    library = Library(tmp_path)
    hello, bye = record(library), record(library, BYE, folder=tmp_path / "inner")
    begin(tmp_path)[0].close()
    (tmp_path / "junk.tape").write_bytes(b"junk")
    library.refresh()

    assert library.keys() == {hello: HELLO_KEY, bye: BYE_KEY}


def test_a_part_without_a_request_is_passed_over_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library(tmp_path)
    (tmp_path / "hello-01234567.1.part").write_bytes(b"\x89STP1\r\n")

    library.refresh()

    assert library.infos() == []
    assert caplog.records == []


def test_names_are_paths_without_the_ending(tmp_path: Path) -> None:
    """With slashes everywhere, and whole for one that is all there is."""
    library = Library(tmp_path)
    path = record(library, folder=tmp_path / "a" / "b")

    assert library.name_of(path) == f"a/b/{HELLO_STEM}"
    assert library.name_of(tmp_path / "x.1.part") == "x.1.part"
    assert Library(path).name_of(path) == path.as_posix().removesuffix(".tape")


def test_what_is_known_is_told_without_opening_a_file(tmp_path: Path) -> None:
    """As it was at the last look, and in order."""
    library = Library(tmp_path)
    bye = record(library, BYE, folder=tmp_path / "a")
    first, second = record(library), record(library)
    size_bytes = first.stat().st_size
    first.write_bytes(b"")

    known = library.infos()

    bye_stem = cassette_stem(match_input_of(BYE))
    assert [(each.name, each.stem, each.path) for each in known] == [
        (HELLO_STEM, HELLO_STEM, first),
        (f"{HELLO_STEM}-2", HELLO_STEM, second),
        (f"a/{bye_stem}", bye_stem, bye),
    ]
    assert known[0].size_bytes == size_bytes


@pytest.mark.parametrize(
    ("name", "stem", "take", "is_part"),
    [
        ("hello-01234567.tape", "hello-01234567", 1, False),
        ("hello-01234567-2.tape", "hello-01234567", 2, False),
        ("hello-01234567-12.tape", "hello-01234567", 12, False),
        ("hello-01234567.1.part", "hello-01234567", 1, True),
        ("hello-2.tape", "hello-2", 1, False),
        ("mine.tape", "mine", 1, False),
    ],
)
def test_an_entry_is_read_off_its_name(
    tmp_path: Path, name: str, stem: str, take: int, is_part: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(b"")

    assert Library(tmp_path).entries() == [Entry(tmp_path, stem, take, path)]
    assert Library(tmp_path).entries()[0].is_part is is_part
