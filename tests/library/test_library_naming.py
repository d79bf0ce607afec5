"""Which name a new take gets, whatever others do to the folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from recorded import BYE, BYE_KEY, HELLO_KEY, HELLO_STEM, answers, names, record
from streamtape.library import Library


def opened(folder: Path) -> Library:
    """Return a library as it is when a run begins."""
    library = Library(folder)
    library.refresh()
    return library


def test_takes_are_numbered_and_come_in_their_order(tmp_path: Path) -> None:
    """By number, not by letter."""
    library = Library(tmp_path)
    for number in range(1, 13):
        record(library, answer=str(number))

    expected = [str(number) for number in range(1, 13)]
    assert answers(library) == expected
    assert answers(Library(tmp_path)) == expected
    assert f"{HELLO_STEM}-12.tape" in names(tmp_path)


def test_takes_stay_in_order_when_the_first_was_renamed(tmp_path: Path) -> None:
    record(opened(tmp_path), answer="old", replace=True)
    [path] = tmp_path.iterdir()
    path.rename(tmp_path / "my-greeting.tape")

    library = opened(tmp_path)
    for answer in ("one", "two", "three"):
        record(library, answer=answer, replace=True)

    assert answers(Library(tmp_path)) == ["one", "two", "three"]


def test_takes_stay_in_order_when_the_first_was_deleted(tmp_path: Path) -> None:
    library = opened(tmp_path)
    record(library, answer="old", replace=True)
    record(library, answer="older", replace=True)
    library.takes(HELLO_KEY)[0].unlink()

    library = opened(tmp_path)
    for answer in ("one", "two", "three"):
        record(library, answer=answer, replace=True)

    assert answers(Library(tmp_path)) == ["one", "two", "three"]


def test_a_take_that_another_recorder_has_just_made_is_not_replaced(
    tmp_path: Path,
) -> None:
    record(opened(tmp_path), answer="old", replace=True)
    ours, theirs = opened(tmp_path), opened(tmp_path)
    record(theirs, answer="theirs", replace=True)
    record(ours, answer="ours", replace=True)

    assert answers(Library(tmp_path)) == ["theirs", "ours"]


def test_replacing_keeps_the_name_and_drops_the_earlier_takes(tmp_path: Path) -> None:
    """
    So that recording again changes files and adds none; the rest goes with the run.
    """
    earlier = Library(tmp_path)
    for number in range(3):
        record(earlier, answer=f"old {number}")
    other = record(earlier, BYE)
    library = opened(tmp_path)

    path = record(library, answer="new", replace=True)

    assert path.name == f"{HELLO_STEM}.tape"
    assert answers(library) == answers(Library(tmp_path)) == ["new", "old 1", "old 2"]
    library.end_run(lacking=())
    assert answers(library) == answers(Library(tmp_path)) == ["new"]
    assert names(tmp_path) == sorted([path.name, other.name])


@pytest.mark.case(87)
def test_a_request_that_lacks_keeps_what_was_not_replaced(tmp_path: Path) -> None:
    """Whoever got one answer of three keeps two of before."""
    for number in range(3):
        record(Library(tmp_path), answer=f"old {number}")
    library = opened(tmp_path)
    record(library, answer="new", replace=True)

    library.end_run(lacking={HELLO_KEY})

    assert answers(Library(tmp_path)) == ["new", "old 1", "old 2"]


@pytest.mark.case(87)
def test_the_end_of_a_run_leaves_what_others_have_changed(tmp_path: Path) -> None:
    """A take that another recorder has replaced since is not of an earlier run."""
    for number in range(2):
        record(Library(tmp_path), answer=f"old {number}")
    ours, theirs = opened(tmp_path), opened(tmp_path)
    record(ours, answer="ours", replace=True)
    for answer in ("theirs", "theirs too"):
        record(theirs, answer=answer, replace=True)

    ours.end_run(lacking=())
    theirs.end_run(lacking=())

    assert answers(Library(tmp_path)) == ["ours", "theirs", "theirs too"]


def test_recordings_take_the_places_of_earlier_takes_in_turn(tmp_path: Path) -> None:
    """The same request asked again in the same run is the next take."""
    for number in range(2):
        record(Library(tmp_path), answer=f"old {number}")
    library = opened(tmp_path)

    for answer in ("one", "two", "three"):
        record(library, answer=answer, replace=True)
    library.end_run(lacking=())

    assert answers(library) == answers(Library(tmp_path)) == ["one", "two", "three"]


def test_a_new_run_replaces_what_the_last_one_recorded(tmp_path: Path) -> None:
    """And nothing that came from elsewhere once it had begun."""
    library = opened(tmp_path)
    record(library, answer="one", replace=True)
    library.begin_run()
    library.refresh()
    record(Library(tmp_path), BYE, answer="theirs")
    library.refresh()

    record(library, answer="two", replace=True)
    record(library, BYE, answer="ours", replace=True)

    assert answers(library) == ["two"]
    assert answers(library, BYE_KEY) == ["theirs", "ours"]


def test_replacing_keeps_a_name_that_was_given_by_hand(tmp_path: Path) -> None:
    record(Library(tmp_path), answer="old").rename(tmp_path / "mine.tape")
    library = opened(tmp_path)

    path = record(library, answer="new", replace=True)

    assert path == tmp_path / "mine.tape"
    assert answers(library) == ["new"]


def test_replacing_stays_in_its_folder(tmp_path: Path) -> None:
    elsewhere = record(Library(tmp_path / "a"), answer="old")
    library = opened(tmp_path)

    path = record(library, answer="new", folder=tmp_path / "b", replace=True)

    assert library.takes(HELLO_KEY) == [elsewhere, path]


def test_replacing_nothing_is_a_first_take(tmp_path: Path) -> None:
    library = Library(tmp_path)

    path = record(library, replace=True)

    assert path.name == f"{HELLO_STEM}.tape"


@pytest.mark.case(11, 12)
def test_twenty_recorders_share_a_folder(tmp_path: Path) -> None:
    """Half of them one library: no answer is lost, none is written over."""
    shared = Library(tmp_path)
    libraries = [shared if n % 2 else Library(tmp_path) for n in range(20)]
    threads = [
        threading.Thread(target=record, args=(library,), kwargs={"answer": str(n)})
        for n, library in enumerate(libraries)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(int, answers(Library(tmp_path)))) == list(range(20))
    assert len(names(tmp_path)) == 20
