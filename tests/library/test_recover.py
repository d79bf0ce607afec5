from __future__ import annotations

from pathlib import Path

import pytest

from forging import KEY, PRIVATE, forge, request_frame, response_frame
from streamtape.core.format.records import Kind
from streamtape.core.model import EndReason, Request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import RecordFramesReader
from streamtape.errors import CassetteError, NotACassetteError
from streamtape.library import read_cassette
from streamtape.library.reader import read_end
from streamtape.library.recover import recover_file
from streamtape.testing import MODEL
from taping import ASKED, JSON, MS, hello, start_tape, write_tape

HELLO = hello("Hello", " world")


def orphan(folder: Path, count: int) -> Path:
    """Leave a recording of so many events behind, as a killed recorder does."""
    writer, _ = start_tape(folder, HELLO[:count])
    writer.close()
    assert writer.path is not None
    return writer.path


def test_a_recording_that_lost_its_end_alone_is_complete_again(tmp_path: Path) -> None:
    place = tmp_path / "new.tape"

    recovered = recover_file(orphan(tmp_path, len(HELLO)), place, Secrets())

    assert not recovered.is_lossy
    cassette = read_cassette(place)
    assert cassette.ending.is_complete
    assert cassette.ending.offset_ns == HELLO[-1][0] * MS
    assert cassette.ending.detail == "its end was lost and made anew"
    end = read_end(place)
    assert end is not None
    assert end.summary == {
        "model": MODEL,
        "stop_reason": "end_turn",
        "usage": {"output_tokens": 12},
    }


def test_a_recording_that_was_cut_short_says_what_is_lost(tmp_path: Path) -> None:
    place = tmp_path / "new.tape"
    part = orphan(tmp_path, 4)
    part.write_bytes(part.read_bytes() + b"\x50\0\0")

    recovered = recover_file(part, place, Secrets())

    assert recovered.is_lossy
    assert (recovered.part_count, recovered.rest_bytes) == (4, 3)
    assert recovered.sound_bytes == part.stat().st_size - 3
    ending = read_cassette(place).ending
    assert ending == recovered.ending
    assert ending.reason is EndReason.DISK_ERROR
    assert ending.detail == "what came after event 4 was lost"


def test_an_answer_without_any_event_is_recovered_too(tmp_path: Path) -> None:
    recovered = recover_file(orphan(tmp_path, 0), tmp_path / "new.tape", Secrets())

    assert recovered.is_lossy
    assert recovered.ending.detail == "what came after its head was lost"
    assert recovered.ending.offset_ns == 300 * MS


def test_the_end_of_a_sound_cassette_is_kept(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO[:4], ending=EndReason.CLIENT_GONE, silence_ms=9)
    place = tmp_path / "new.tape"

    recovered = recover_file(path, place, Secrets())

    assert place.read_bytes() == path.read_bytes()
    assert not recovered.is_lossy
    assert recovered.rest_bytes == 0


def test_what_follows_an_end_is_left_out(tmp_path: Path) -> None:
    path = write_tape(tmp_path, HELLO)
    sound = path.read_bytes()
    path.write_bytes(sound + b"junk!")
    place = tmp_path / "new.tape"

    recovered = recover_file(path, place, Secrets())

    assert place.read_bytes() == sound
    assert recovered.rest_bytes == 5


@pytest.mark.case(28)
def test_unknown_frames_of_the_sound_part_are_kept(tmp_path: Path) -> None:
    frames = [request_frame(), (77, b"a"), response_frame(), (PRIVATE, b"b")]
    path = tmp_path / "old.tape"
    path.write_bytes(forge([*frames, (Kind.EVENT, [9, b"x"])], has_end=False)[:-1])
    place = tmp_path / "new.tape"

    recover_file(path, place, Secrets())

    pieces = list(RecordFramesReader().feed(place.read_bytes()))
    assert [p.frames[0].payload for p in pieces if p.record is None] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [(b'{"a": 1}', True), (b'{"a": ', False)],
    ids=["whole", "cut"],
)
def test_a_body_in_json_tells_whether_it_is_whole(
    tmp_path: Path, body: bytes, is_whole: bool
) -> None:
    head = response_frame(headers=[list(JSON)])
    path = tmp_path / "old.1.part"
    frames = [request_frame(), head, (Kind.BODY, [9, body])]
    path.write_bytes(forge(frames, has_end=False))

    recovered = recover_file(path, tmp_path / "new.tape", Secrets())

    assert recovered.is_lossy is not is_whole


def test_secrets_do_not_come_along(tmp_path: Path) -> None:
    path = tmp_path / "old.1.part"
    events = [(Kind.EVENT, [at, raw]) for at, raw in hello("It is ", KEY)]
    frames = [request_frame(target=f"/?x={KEY}"), response_frame(), *events]
    path.write_bytes(forge(frames, has_end=False))
    place = tmp_path / "new.tape"

    recovered = recover_file(path, place, Secrets())

    assert b"Ab1_" not in place.read_bytes()
    assert len(recovered.leaks) == 2
    assert recovered.part_count == len(read_cassette(place).parts) == len(events)


@pytest.mark.case(13)
def test_a_recording_that_runs_is_refused(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path / "lib", HELLO[:4])
    assert writer.path is not None

    with pytest.raises(CassetteError, match="still being recorded"):
        recover_file(writer.path, tmp_path / "new.tape", Secrets())

    writer.close()
    assert not (tmp_path / "new.tape").exists()


def test_a_file_without_a_response_has_nothing_to_recover(tmp_path: Path) -> None:
    path = tmp_path / "old.tape"
    path.write_bytes(forge([request_frame()], has_end=False))

    with pytest.raises(NotACassetteError, match="nothing to recover"):
        recover_file(path, tmp_path / "new.tape", Secrets())

    assert list(tmp_path.iterdir()) == [path]


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    path, place = write_tape(tmp_path, HELLO), tmp_path / "new.tape"
    place.write_bytes(b"mine")

    with pytest.raises(CassetteError, match=r"new\.tape: there is such a file already"):
        recover_file(path, place, Secrets())
    with pytest.raises(CassetteError, match="there is such a file already"):
        recover_file(path, path, Secrets())

    assert place.read_bytes() == b"mine"
    assert sorted(tmp_path.iterdir()) == [path, place]


def test_the_request_is_the_one_that_was_recorded(tmp_path: Path) -> None:
    place = tmp_path / "new.tape"
    recover_file(orphan(tmp_path, 3), place, Secrets())

    request: Request = read_cassette(place).request

    assert request.body == ASKED.body
