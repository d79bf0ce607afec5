"""What others do to the files while a library is in use, and what a lookup costs."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from streamtape.core.matching.key import request_key
from streamtape.core.model import EndReason, Request
from streamtape.errors import CassetteError, UsageError
from streamtape.library import Library, read_cassette
from streamtape.library.signature import WallClock
from taping import start_tape, write_tape

DATA = b"data: {}\n\n"


def ask(text: str) -> Request:
    return Request(method="POST", target="/v1/messages", body=text.encode())


# Of one length, so that their cassettes are too.
HELLO, OTHER = ask("hello"), ask("other")
HELLO_KEY, OTHER_KEY = request_key(HELLO), request_key(OTHER)


def much_later() -> int:
    """Return a wall clock by which every file has been there for long."""
    return 2**62


def tape(folder: Path, request: Request = HELLO, *, name: str = "a") -> Path:
    return write_tape(folder, [(1, DATA)], request=request, name=name)


def settle(*paths: Path) -> None:
    """
    Give files and folders an old time of change, as any later one differs from it.
    """
    for path in paths:
        os.utime(path, ns=(1_000_000_001, 1_000_000_001))


@pytest.fixture(name="library", params=[much_later, None], ids=["clock", "no-clock"])
def library_that_knows_hello(tmp_path: Path, request: pytest.FixtureRequest) -> Library:
    """
    Return a library with one cassette, ``a``, in a sub-folder, that was looked up.
    """
    folder = tmp_path / "cassettes"
    path = tape(folder / "sub")
    settle(path, folder / "sub", folder)
    library = Library(folder, wall_ns=request.param)
    library.refresh()
    assert library.takes(HELLO_KEY) == [path]
    assert library.takes(OTHER_KEY) == []
    return library


def lookup(library: Library, request: Request) -> list[str]:
    """
    Look up a request as a server does, and return the names.

    It believes what is known until a cassette turns out to be another on being opened.
    """
    key = request_key(request)
    paths = library.known_takes(key)
    if not paths or not all(holds(path, key) for path in paths):
        paths = library.takes(key)
    return [library.name_of(path) for path in paths]


def holds(path: Path, key: str) -> bool:
    """Whether a cassette can be opened, and answers a request of this key."""
    with suppress(CassetteError):
        return request_key(read_cassette(path).request) == key
    return False


def edit_in_place(folder: Path, elsewhere: Path) -> None:
    (folder / "sub" / "a.tape").write_bytes(tape(elsewhere, OTHER).read_bytes())


def rename_over(folder: Path, elsewhere: Path) -> None:
    tape(elsewhere, OTHER).replace(folder / "sub" / "a.tape")


def replace_folder(folder: Path, elsewhere: Path) -> None:
    tape(elsewhere, OTHER)
    shutil.rmtree(folder / "sub")
    elsewhere.rename(folder / "sub")


@pytest.mark.parametrize("change", [edit_in_place, rename_over, replace_folder])
@pytest.mark.parametrize("first", [HELLO, OTHER], ids=["hit-first", "miss-first"])
def test_a_cassette_that_was_changed_answers_what_it_holds_now(
    tmp_path: Path,
    library: Library,
    change: Callable[[Path, Path], None],
    first: Request,
) -> None:
    change(library.folder, tmp_path / "elsewhere")

    lookup(library, first)

    assert lookup(library, HELLO) == []
    assert lookup(library, OTHER) == ["sub/a"]


def remove_file(folder: Path) -> None:
    (folder / "sub" / "a.tape").unlink()


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder / "sub")


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder)


def hide_folder(folder: Path) -> None:
    (folder / "sub").rename(folder / ".sub")


def link_folder(folder: Path) -> None:
    (folder / "sub").rename(folder / ".sub")
    (folder / "sub").symlink_to(folder / ".sub", target_is_directory=True)


@pytest.mark.parametrize(
    "remove", [remove_file, remove_folder, remove_all, hide_folder]
)
def test_a_cassette_that_was_removed_is_not_given(
    library: Library, remove: Callable[[Path], None]
) -> None:
    remove(library.folder)

    assert lookup(library, HELLO) == []
    assert library.infos() == []


def test_folders_below_one_that_became_a_link_are_left_out(
    tmp_path: Path, library: Library
) -> None:
    tape(library.folder / "sub" / "deep", OTHER)
    assert lookup(library, OTHER) == ["sub/deep/a"]
    link_folder(library.folder)

    library.refresh()

    assert lookup(library, OTHER) == []
    assert lookup(library, HELLO) == []


@pytest.mark.parametrize("where", ["", "sub", "new", "new/deep"])
def test_a_cassette_that_was_added_answers_what_nothing_did(
    library: Library, where: str
) -> None:
    tape(library.folder / where, OTHER, name="b")

    assert lookup(library, OTHER) == [f"{where}/b".lstrip("/")]


def replace_by_rename(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


def replace_by_removing(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("looks", ["refresh", "a-miss", "takes"])
@pytest.mark.parametrize(
    "change",
    [replace_by_rename, replace_by_removing, Path.write_bytes],
    ids=["by-rename", "removed-first", "in-place"],
)
@pytest.mark.parametrize("name", ["b", "c"], ids=["known", "new"])
def test_a_take_that_came_beside_another_is_seen_at_the_next_look(
    library: Library, change: Callable[[Path, bytes], object], name: str, looks: str
) -> None:
    """In a file that was another's, or a new one; any miss is such a look."""
    folder = library.folder / "sub"
    tape(folder, OTHER, name="b")
    library.refresh()

    change(folder / f"{name}.tape", (folder / "a.tape").read_bytes())
    if looks == "refresh":
        library.refresh()
    elif looks == "a-miss":
        library.takes(request_key(ask("third")))
    else:
        library.takes(HELLO_KEY)

    assert lookup(library, HELLO) == ["sub/a", f"sub/{name}"]
    assert lookup(library, OTHER) == (["sub/b"] if name == "c" else [])


def test_a_file_that_was_junk_answers_when_it_was_mended(library: Library) -> None:
    path = library.folder / "sub" / "a.tape"
    whole = path.read_bytes()
    path.write_bytes(b"junk")
    assert lookup(library, HELLO) == []
    path.write_bytes(whole)

    assert lookup(library, HELLO) == ["sub/a"]


def is_slow_on_other(request: Request) -> str:
    """Stand in for rules with a pattern that takes too long on one request."""
    if request.body == OTHER.body:
        raise UsageError("replace: 'x' takes longer than 0.25 s")
    return request_key(request)


@pytest.mark.parametrize("wall_ns", [much_later, None], ids=["clock", "no-clock"])
def test_a_file_that_the_rules_cannot_be_applied_to_is_left_out(
    tmp_path: Path, wall_ns: WallClock | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tape(tmp_path)
    slow = tape(tmp_path, OTHER, name="b")
    library = Library(
        tmp_path, is_slow_on_other, uses_stored_keys=False, wall_ns=wall_ns
    )

    library.refresh()

    assert library.takes(HELLO_KEY) == [path]
    assert caplog.text.count(f"left out: {slow}: replace: 'x' takes longer") == 1


@pytest.mark.parametrize("wall_ns", [much_later, None], ids=["clock", "no-clock"])
@pytest.mark.parametrize("error", [UsageError("too long"), RuntimeError("odd")])
def test_a_changed_file_answers_as_it_was_to_nobody_whatever_goes_wrong(
    tmp_path: Path, wall_ns: WallClock | None, error: Exception
) -> None:
    def key_of(request: Request) -> str:
        if request.body == OTHER.body:
            raise error
        return request_key(request)

    path = tape(tmp_path / "cassettes")
    settle(path)
    library = Library(path.parent, key_of, uses_stored_keys=False, wall_ns=wall_ns)
    assert library.takes(HELLO_KEY) == [path]

    path.write_bytes(tape(tmp_path / "elsewhere", OTHER).read_bytes())
    with suppress(RuntimeError):
        library.takes(HELLO_KEY)

    assert library.known_takes(HELLO_KEY) == []
    with suppress(RuntimeError):
        assert library.takes(HELLO_KEY) == []


def test_a_library_that_is_a_link_is_looked_through(tmp_path: Path) -> None:
    tape(tmp_path / "there")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there", target_is_directory=True)
    settle(tmp_path / "there")
    library = Library(link, wall_ns=much_later)
    assert lookup(library, HELLO) == ["a"]

    tape(tmp_path / "there", OTHER, name="b")

    assert lookup(library, OTHER) == ["b"]


@pytest.mark.parametrize("has_known", [False, True], ids=["nothing-known", "hit-first"])
def test_a_second_change_in_one_tick_is_seen(has_known: bool, tmp_path: Path) -> None:
    """By no stamp, as it may stay the same: what was changed just now is read again."""
    path, other = tape(tmp_path / "cassettes"), tape(tmp_path / "other", OTHER)
    at_ns = path.stat().st_mtime_ns
    library = Library(path.parent, wall_ns=lambda: at_ns)
    assert lookup(library, HELLO) == ["a"]
    assert lookup(library, HELLO) == ["a"]

    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(at_ns, at_ns))

    if has_known:
        assert lookup(library, HELLO) == []
    assert lookup(library, OTHER) == ["a"]
    assert library.known_takes(HELLO_KEY) == []


def test_a_change_whose_time_was_put_back_is_seen(tmp_path: Path) -> None:
    path, other = tape(tmp_path / "cassettes"), tape(tmp_path / "other", OTHER)
    before = path.stat()
    library = Library(path.parent, wall_ns=much_later)
    assert lookup(library, HELLO) == ["a"]
    assert library.known_takes(HELLO_KEY) == [path]

    while path.stat().st_ctime_ns == before.st_ctime_ns:
        # Until the next tick of the file system.
        path.write_bytes(other.read_bytes())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert path.stat().st_size == before.st_size
    assert lookup(library, HELLO) == []
    assert lookup(library, OTHER) == ["a"]


@pytest.mark.parametrize("top", [".", "sub", ".."])
def test_a_cassette_of_ones_own_is_not_read_again(
    top: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name changes its signature too, but not after that was taken."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = Path(top)
    read: list[bytes] = []

    def key_of(request: Request) -> str:
        read.append(request.body)
        return request_key(request)

    library = Library(folder, key_of, uses_stored_keys=False, wall_ns=much_later)
    library.refresh()
    for _ in range(2):
        writer, recording = start_tape(folder, [(1, DATA)], request=HELLO, name="a")
        writer.write(recording.end(EndReason.COMPLETE, 2))
        assert library.commit(writer, HELLO_KEY, replace=False) is not None
    read.clear()

    for _ in range(3):
        library.refresh()
        assert lookup(library, HELLO) == ["a", "a-2"]

    assert read == []


def test_a_file_that_is_added_in_the_tick_of_a_look_is_seen(tmp_path: Path) -> None:
    """The times of its folder may not have moved, and nobody asks them."""
    tape(tmp_path / "cassettes")
    folder, other = tmp_path / "cassettes", tape(tmp_path / "other", OTHER)
    times = folder.stat()
    library = Library(folder, wall_ns=much_later)
    assert lookup(library, OTHER) == []

    other.rename(folder / "b.tape")
    os.utime(folder, ns=(times.st_mtime_ns, times.st_mtime_ns))

    assert lookup(library, OTHER) == ["b"]


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """A hit looks at no file, and a look at the folder reads only what is new."""
    read: list[bytes] = []

    def key_of(request: Request) -> str:
        read.append(request.body)
        return request_key(request)

    tape(tmp_path), tape(tmp_path, OTHER, name="b")
    settle(tmp_path)
    library = Library(tmp_path, key_of, uses_stored_keys=False, wall_ns=much_later)
    library.refresh()
    assert sorted(read) == [HELLO.body, OTHER.body]

    read.clear()
    for _ in range(2):
        assert library.known_takes(HELLO_KEY) == [tmp_path / "a.tape"]
        assert library.takes(request_key(ask("nothing"))) == []
        library.refresh()
    assert read == []

    new = ask("third")
    tape(tmp_path, new, name="c")
    assert lookup(library, HELLO) == ["a"]
    assert lookup(library, new) == ["c"]
    assert read == [new.body]


def test_what_is_known_is_told_without_a_look(tmp_path: Path) -> None:
    path = tape(tmp_path)
    library = Library(tmp_path, wall_ns=much_later)

    assert library.known_takes(HELLO_KEY) == []
    assert library.takes(HELLO_KEY) == [path]
    assert library.known_takes(HELLO_KEY) == [path]
    added = tape(tmp_path, name="b")
    path.unlink()
    assert library.known_takes(HELLO_KEY) == [path]
    assert library.takes(HELLO_KEY) == [added]
    assert library.known_takes(HELLO_KEY) == [added]


def test_a_killed_part_is_known_to_those_who_ask_for_it(tmp_path: Path) -> None:
    """It stands in only until something whole comes, so that each time is a look."""
    writer, _ = start_tape(tmp_path, [(1, DATA)], request=HELLO, name="a")
    writer.close()
    library = Library(tmp_path, wall_ns=much_later)
    [part] = library.takes(HELLO_KEY)

    assert library.known_takes(HELLO_KEY) == []
    assert library.known_takes(HELLO_KEY, with_parts=True) == [part]


def test_what_is_known_is_told_while_another_looks(tmp_path: Path) -> None:
    """Which may take long, if it reads much that is new."""
    path = tape(tmp_path)
    known: list[list[Path]] = []

    def key_of(request: Request) -> str:
        known.append(library.known_takes(HELLO_KEY))
        return request_key(request)

    library = Library(tmp_path, key_of, uses_stored_keys=False, wall_ns=much_later)
    assert library.takes(HELLO_KEY) == [path]
    known.clear()
    tape(tmp_path, OTHER, name="b")

    assert library.takes(OTHER_KEY) == [tmp_path / "b.tape"]
    assert known == [[path]]


def test_a_look_that_began_before_does_for_nobody_who_came_later(
    tmp_path: Path,
) -> None:
    """It may have passed what they are after: those who waited see what came too."""
    path = tape(tmp_path)
    is_reading, goes_on = threading.Event(), threading.Event()

    def key_of(request: Request) -> str:
        is_reading.set()
        assert goes_on.wait(60)
        return request_key(request)

    library = Library(tmp_path, key_of, uses_stored_keys=False, wall_ns=much_later)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(library.refresh)
        assert is_reading.wait(60)
        added = tape(tmp_path, name="b")
        others = [pool.submit(library.takes, HELLO_KEY) for _ in range(8)]
        goes_on.set()
        first.result()
        found = [other.result() for other in others]

    assert found == [[path, added]] * 8


def test_a_part_is_not_read_while_it_is_being_recorded(tmp_path: Path) -> None:
    """It grows with every chunk, and answers nobody."""
    read: list[bytes] = []

    def key_of(request: Request) -> str:
        read.append(request.body)
        return request_key(request)

    library = Library(tmp_path, key_of, wall_ns=much_later)
    writer, _ = start_tape(tmp_path, [(1, DATA)], request=HELLO, name="a")
    settle(tmp_path / "a.1.part", tmp_path)
    assert library.takes(HELLO_KEY) == []
    assert read == []

    writer.close()

    assert library.takes(HELLO_KEY) == [tmp_path / "a.1.part"]
    assert read == [HELLO.body]
