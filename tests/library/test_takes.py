"""
Which name a new take gets, and which files answer, whatever others do to the folder.
"""

from __future__ import annotations

from pathlib import Path

from streamtape.core.matching.key import matched, request_key
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.secrecy.heads import clean_request
from streamtape.library import CassetteWriter, Library, read_cassette

HELLO = Request(method="POST", target="/v1/messages", body=b'{"hello": 1}')
KEY = request_key(HELLO)


def start(folder: Path, answer: str) -> tuple[CassetteWriter, Recording]:
    recording = Recording(clean_request(HELLO), recorded_at=None)
    writer = CassetteWriter(folder, cassette_stem(matched(HELLO)))
    head = Response(status=200, reason="OK", headers=(), offset_ns=1)
    writer.write(recording.begin(head))
    writer.write(recording.feed(f"{answer}\n".encode(), 2))
    return writer, recording


def record(
    library: Library, answer: str, *, ended: EndReason = EndReason.COMPLETE
) -> None:
    writer, recording = start(library.folder, answer)
    writer.write(recording.end(ended, 3))
    assert library.commit(writer, KEY, replace=True) is not None


def answers(library: Library) -> list[str]:
    takes = library.takes(KEY)
    return [read_cassette(path).body.decode().strip() for path in takes]


def opened(folder: Path) -> Library:
    library = Library(folder)
    library.refresh()
    return library


def test_takes_stay_in_order_when_the_first_was_renamed(tmp_path: Path) -> None:
    record(opened(tmp_path), "old")
    [path] = tmp_path.iterdir()
    path.rename(tmp_path / "my-greeting.tape")

    library = opened(tmp_path)
    for answer in ("one", "two", "three"):
        record(library, answer)

    assert answers(opened(tmp_path)) == ["one", "two", "three"]


def test_takes_stay_in_order_when_the_first_was_deleted(tmp_path: Path) -> None:
    library = opened(tmp_path)
    record(library, "old")
    record(library, "older")
    library.takes(KEY)[0].unlink()

    library = opened(tmp_path)
    for answer in ("one", "two", "three"):
        record(library, answer)

    assert answers(opened(tmp_path)) == ["one", "two", "three"]


def test_a_take_that_another_recorder_has_just_made_is_not_replaced(
    tmp_path: Path,
) -> None:
    record(opened(tmp_path), "old")
    ours, theirs = opened(tmp_path), opened(tmp_path)
    record(theirs, "theirs")
    record(ours, "ours")

    assert answers(opened(tmp_path)) == ["theirs", "ours"]


def test_a_part_that_has_got_its_name_is_found_under_it(tmp_path: Path) -> None:
    writer, recording = start(tmp_path, "hello")
    watcher = opened(tmp_path)
    assert answers(watcher) == []
    writer.write(recording.end(EndReason.COMPLETE, 3))
    Library(tmp_path).commit(writer, KEY, replace=False)

    assert answers(watcher) == ["hello"]


def test_takes_that_another_process_has_removed_are_not_given(tmp_path: Path) -> None:
    library = opened(tmp_path)
    record(library, "one")
    record(library, "two")
    watcher = opened(tmp_path)
    assert answers(watcher) == ["one", "two"]
    library.takes(KEY)[1].unlink()

    assert answers(watcher) == ["one"]


def test_only_a_complete_answer_counts_as_one(tmp_path: Path) -> None:
    library = opened(tmp_path)
    assert not library.has_complete(KEY)
    record(library, "cut", ended=EndReason.UPSTREAM_CUT)
    assert not library.has_complete(KEY)
    record(library, "whole")

    assert library.has_complete(KEY)
