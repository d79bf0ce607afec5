from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import CassetteWriter, Library, read_cassette
from streamtape.library.disk import Disk, is_locked

KEY = "a key"
EVENT = b"data: " + b"x" * 90 + b"\n\n"


def frames(events: int = 3) -> list[bytes]:
    """Return what is written of a recording: its head, each event and its end."""
    recording = Recording(
        clean_request(Request(method="POST", target="/v1/messages"), Secrets()),
        recorded_at=None,
        secrets=Secrets(),
    )
    head = Response(
        status=200,
        reason="OK",
        headers=(("content-type", "text/event-stream"),),
        offset_ns=5,
    )
    return [
        recording.begin(head),
        *(recording.feed(EVENT, 10 * place) for place in range(1, events + 1)),
        recording.end(EndReason.COMPLETE, 99),
    ]


def write(folder: Path, *, events: int = 3, disk: Disk | None = None) -> CassetteWriter:
    writer = CassetteWriter(folder, "hello-01234567", disk=disk)
    for packed in frames(events):
        writer.write(packed)
    return writer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    folder = tmp_path / "chat"

    writer = CassetteWriter(folder, "hello-01234567")

    assert writer.path is None
    assert not folder.exists()


def test_a_recording_is_a_part_while_it_runs(tmp_path: Path) -> None:
    """What was written is in the file at once, and readable as truncated."""
    writer = CassetteWriter(tmp_path / "new" / "chat", "hello-01234567")
    packed = frames()

    for count, data in enumerate(packed[:-1], 1):
        writer.write(data)

        assert writer.path == tmp_path / "new" / "chat" / "hello-01234567.1.part"
        assert writer.path.read_bytes() == b"".join(packed[:count])
        cassette = read_cassette(writer.path)
        assert len(cassette.parts) == count - 1
        assert cassette.ending.reason is EndReason.TRUNCATED
    writer.close()


def test_only_the_owner_can_read_a_recording(tmp_path: Path) -> None:
    """It holds prompts; and the folder is made for the owner alone too."""
    writer = write(tmp_path / "chat")
    assert writer.path is not None

    assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(writer.folder.stat().st_mode) == 0o700
    path = Library(tmp_path).commit(writer, KEY, replace=False)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_commit_gives_the_name_and_takes_the_part_away(tmp_path: Path) -> None:
    writer = write(tmp_path)

    path = Library(tmp_path).commit(writer, KEY, replace=False)

    assert path == tmp_path / "hello-01234567.tape"
    assert path.read_bytes() == b"".join(frames())
    assert names(tmp_path) == ["hello-01234567.tape"]
    assert writer.path is None


@pytest.mark.case(12)
def test_recordings_of_one_name_run_side_by_side(tmp_path: Path) -> None:
    """As two processes do: each has its own part, and none overwrites the other."""
    writers = [write(tmp_path, events=count) for count in (1, 2, 3)]
    assert names(tmp_path) == [f"hello-01234567.{n}.part" for n in (1, 2, 3)]

    paths = [Library(tmp_path).commit(writer, KEY, replace=False) for writer in writers]

    assert [path.name for path in paths if path is not None] == [
        "hello-01234567.tape",
        "hello-01234567-2.tape",
        "hello-01234567-3.tape",
    ]
    for count, path in enumerate(paths, 1):
        assert path is not None
        assert len(read_cassette(path).parts) == count


class LinklessDisk(Disk):
    """A disk that knows no hard links."""

    def link(self, path: Path, name: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.case(12)
@pytest.mark.parametrize("disk", [Disk(), LinklessDisk()], ids=["links", "no-links"])
def test_a_commit_never_takes_a_name_that_is_taken(disk: Disk, tmp_path: Path) -> None:
    """Whoever has it: a file that is no cassette, a folder, a link to nowhere."""
    (tmp_path / "hello-01234567.tape").write_text("precious")
    (tmp_path / "hello-01234567-2.tape").mkdir()
    (tmp_path / "hello-01234567-3.tape").symlink_to(tmp_path / "nowhere")

    writer = write(tmp_path, disk=disk)
    path = Library(tmp_path).commit(writer, KEY, replace=False)

    assert path == tmp_path / "hello-01234567-4.tape"
    assert (tmp_path / "hello-01234567.tape").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_part_is_locked_while_its_recorder_lives(tmp_path: Path) -> None:
    writer = write(tmp_path)
    path = writer.path
    assert path is not None

    assert is_locked(path)
    assert is_locked(path)
    writer.close()
    assert not is_locked(path)
    assert not is_locked(tmp_path / "missing.part")


def test_a_part_that_someone_looks_at_is_not_locked(tmp_path: Path) -> None:
    """Two who ask at once don't take each other for its recorder."""
    fcntl = pytest.importorskip("fcntl")
    writer = write(tmp_path)
    path = writer.path
    assert path is not None
    writer.close()

    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)

        assert not is_locked(path)


@pytest.mark.case(13)
def test_a_part_whose_recorder_was_killed_is_not_locked(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys\n"
        "from streamtape.library import CassetteWriter\n"
        "writer = CassetteWriter(pathlib.Path(sys.argv[1]), 'a-01234567')\n"
        "writer.write(b'data')\n"
        "print(writer.path, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as recorder:
        assert recorder.stdout is not None
        path = Path(recorder.stdout.readline().strip())
        assert is_locked(path)
        recorder.kill()
        recorder.wait()

    assert path.read_bytes() == b"data"
    assert not is_locked(path)


def test_a_discarded_recording_leaves_nothing(tmp_path: Path) -> None:
    writer = write(tmp_path)

    writer.discard()
    writer.discard()

    assert names(tmp_path) == []
    assert writer.path is None


def test_a_closed_recording_stays_as_a_part(tmp_path: Path) -> None:
    writer = write(tmp_path)

    writer.close()
    writer.close()

    assert names(tmp_path) == ["hello-01234567.1.part"]


def test_a_recording_of_nothing_has_no_cassette(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And that is no failure of the disk."""
    writer = CassetteWriter(tmp_path / "chat", "hello-01234567")

    assert Library(tmp_path).commit(writer, KEY, replace=False) is None
    writer.discard()

    assert writer.failure is None
    assert names(tmp_path) == []
    assert caplog.records == []


def check_failed(writer: CassetteWriter, caplog: pytest.LogCaptureFixture) -> None:
    """Check that a writer has failed, said it once, and bears every further call."""
    assert isinstance(writer.failure, OSError)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "its client is served" in caplog.text
    for packed in frames():
        writer.write(packed)
    writer.sync()
    assert Library(writer.folder).commit(writer, KEY, replace=False) is None
    writer.close()
    writer.discard()
    assert len(caplog.records) == 1


@pytest.mark.case(8)
def test_a_folder_that_cannot_be_made_is_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "chat").write_text("a file")

    writer = write(tmp_path / "chat")

    check_failed(writer, caplog)
    assert names(tmp_path) == ["chat"]


def test_a_name_that_the_disk_refuses_is_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = CassetteWriter(tmp_path, "a" * 300)

    writer.write(b"data")

    check_failed(writer, caplog)
    assert names(tmp_path) == []


@pytest.mark.case(9)
def test_a_folder_that_vanishes_loses_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "chat"
    writer = CassetteWriter(folder, "hello-01234567")
    packed = frames()
    writer.write(packed[0])
    shutil.rmtree(folder)
    for data in packed[1:]:
        writer.write(data)

    assert Library(tmp_path).commit(writer, KEY, replace=False) is None

    assert writer.failure is None
    assert "can't be given its name" in caplog.text
    assert names(tmp_path) == []
    writer.discard()


def test_a_part_that_vanishes_leaves_no_empty_cassette(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = write(tmp_path)
    assert writer.path is not None
    writer.path.unlink()

    assert Library(tmp_path).commit(writer, KEY, replace=False) is None

    assert names(tmp_path) == []
    assert "can't be given its name" in caplog.text


class ShortDisk(Disk):
    """A disk that takes so many bytes at a time."""

    def __init__(self, bytes_at_once: int) -> None:
        self._bytes_at_once = bytes_at_once

    def write(self, descriptor: int, data: bytes) -> int:
        return super().write(descriptor, data[: self._bytes_at_once])


@pytest.mark.case(6)
@pytest.mark.parametrize("bytes_at_once", [1, 7, 100])
def test_a_write_that_takes_a_part_is_gone_on_with(
    bytes_at_once: int, tmp_path: Path
) -> None:
    writer = write(tmp_path, disk=ShortDisk(bytes_at_once))
    path = Library(tmp_path).commit(writer, KEY, replace=False)

    assert path is not None
    assert path.read_bytes() == b"".join(frames())


def test_a_disk_that_takes_nothing_is_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = write(tmp_path, disk=ShortDisk(0))

    check_failed(writer, caplog)
    assert names(tmp_path) == []


class StuckDisk(Disk):
    """A disk that removes nothing."""

    def remove(self, path: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_recording_that_cannot_be_taken_away_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = write(tmp_path, disk=StuckDisk())
    path = writer.path
    writer.discard()

    assert f"{path}: can't be removed: Operation not permitted" in caplog.text


def test_a_cassette_whose_part_stays_has_its_name_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library(tmp_path)
    writer = write(tmp_path, disk=StuckDisk())
    path = library.commit(writer, KEY, replace=False)

    assert path == tmp_path / "hello-01234567.tape"
    assert len(read_cassette(path).parts) == 3
    assert "it is the same file as hello-01234567.tape" in caplog.text


LIMITED = """
import logging, pathlib, resource, sys
from streamtape.library import CassetteWriter, Library

logging.basicConfig(format="%(message)s")
folder, size, *frames = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
writer = CassetteWriter(pathlib.Path(folder), "hello-01234567")
for frame in frames:
    writer.write(bytes.fromhex(frame))
print(type(writer.failure).__name__, Library(folder).commit(writer, "k", replace=False))
"""


@pytest.mark.case(6)
@pytest.mark.parametrize("room", [0, 450, 950, 1200])
def test_a_full_disk_keeps_the_whole_frames(tmp_path: Path, room: int) -> None:
    """However much of a frame still fitted; and says so in one line."""
    pytest.importorskip("resource")
    packed = frames(events=7)
    assert 1000 < sum(map(len, packed)) < 1200

    recorder = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path, str(room), *map(bytes.hex, packed)],
        capture_output=True,
        text=True,
        check=True,
    )

    if room > 1150:
        assert recorder.stderr == ""
        assert names(tmp_path) == ["hello-01234567.tape"]
        return
    assert recorder.stdout == "OSError None\n"
    assert len(recorder.stderr.splitlines()) == 1
    if not room:
        assert names(tmp_path) == []
        return
    part = tmp_path / "hello-01234567.1.part"
    sizes = [len(b"".join(packed[:count])) for count in range(len(packed) + 1)]
    assert part.stat().st_size == max(size for size in sizes if size <= room)
    if room >= sizes[1]:
        cassette = read_cassette(part)
        assert cassette.ending.reason is EndReason.TRUNCATED
        assert cassette.body == EVENT * len(cassette.parts)
