"""A recorder that dies between two calls of the system, and a machine without power."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proofs import Trials
from reliability.failing_disk import CountingDisk
from streamtape import open as read_cassette
from streamtape.core.model import EndReason
from streamtape.errors import NotACassetteError
from streamtape.library import Library
from taping import hello, write_tape

TESTS = Path(__file__).parents[1]

CHUNKS = hello("Good", " morning")

DYING = """
import os, sys
from pathlib import Path
from streamtape.core.model import EndReason
from streamtape.library import Library
from reliability.failing_disk import DeadlyDisk
from taping import hello, start_tape

top, has_links = Path(sys.argv[1]), sys.argv[2] == "links"
number = status = 1
while status:
    child = os.fork()
    if not child:
        folder = top / str(number)
        disk = DeadlyDisk(number, has_links=has_links)
        writer, recording = start_tape(folder, hello("Good", " morning"), disk=disk)
        writer.write(recording.end(EndReason.COMPLETE, 10**9))
        Library(folder).commit(writer, "key", replace=False)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    number += 1
"""
"""Records as often as there are calls, and dies before each of them in turn."""


@pytest.mark.case(4)
@pytest.mark.parametrize("file_system", ["links", "no-links"])
def test_a_recorder_that_dies_at_any_step_leaves_a_part_or_the_cassette(
    file_system: str, trials: Trials, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", DYING, tmp_path, file_system],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=True,
    )

    folders = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    [*struck, whole] = folders
    for folder in struck:
        trials.ran += 1
        check_left(folder)
    assert [path.suffix for path in whole.iterdir()] == [".tape"]
    assert trials.ran >= 12


def check_left(folder: Path) -> None:
    """
    There is nothing, or something truncated or whole, and a name on what is whole.
    """
    whole = b"".join(raw for _, raw in CHUNKS)
    played = Library(folder).entries() if folder.exists() else []
    for entry in played:
        if not entry.path.stat().st_size:
            # It was killed before the first byte, or while it held the name.
            with pytest.raises(NotACassetteError, match="the file is empty"):
                read_cassette(entry.path)
            continue
        cassette = read_cassette(entry.path)
        assert whole.startswith(cassette.body)
        if cassette.ending.is_complete:
            assert cassette.body == whole
        else:
            assert entry.is_part
            assert cassette.ending.reason is EndReason.TRUNCATED
    if any(not entry.is_part and not entry.path.stat().st_size for entry in played):
        # Whoever held the name had the whole part, which is still there.
        assert [
            read_cassette(entry.path).body for entry in played if entry.is_part
        ] == [whole]


class PowerFailure(BaseException):
    """The machine goes out; no code of ours gets to see it."""


class PowerlessDisk(CountingDisk):
    """A disk whose power fails in one of its calls, and that knows what was synced."""

    def __init__(self, failing: int) -> None:
        super().__init__(failing)
        self.synced: dict[int, int] = {}
        """By inode: how many bytes no power loss reaches."""

    def fail(self) -> None:
        raise PowerFailure

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        status = os.fstat(descriptor)
        self.synced[status.st_ino] = status.st_size


@pytest.mark.case(14)
def test_what_a_power_loss_leaves_is_truncated_or_whole_and_never_wrong(
    trials: Trials, tmp_path: Path
) -> None:
    """Of what was not synced any part may be left, or zeros in its place."""
    whole = b"".join(raw for _, raw in CHUNKS)
    every = trials.many(quick=13, long=1)
    for number in range(1, 100):
        folder = tmp_path / str(number)
        disk = PowerlessDisk(number)
        with contextlib.suppress(PowerFailure):
            write_tape(folder, CHUNKS, disk=disk)
        if not disk.has_failed:
            break
        for path in folder.glob("*") if folder.exists() else ():
            for left in remains(path, disk, every=every):
                trials.ran += 1
                body = body_of(left)
                trials.wrong += not whole.startswith(body)
                if path.suffix == ".tape":
                    trials.lost += body != whole

    assert not disk.has_failed
    assert trials.ran > 500
    assert (trials.lost, trials.wrong) == (0, 0)


def remains(path: Path, disk: PowerlessDisk, *, every: int) -> Iterator[Path]:
    """
    Yield the file as each power loss may leave it, at the end of a frame and within.

    Args:
        every: Every which byte may be the last one that is left.
    """
    data = path.read_bytes()
    synced = disk.synced.get(path.stat().st_ino, 0)
    left = path.with_name(f"left{path.suffix}")
    for size in range(len(data), synced - 1, -every):
        left.write_bytes(data[:size])
        yield left
        left.write_bytes(data[:size] + bytes(len(data) - size))
        yield left


def body_of(path: Path) -> bytes:
    """What a replay would give: nothing of a file that ends before its request."""
    try:
        cassette = read_cassette(path)
    except NotACassetteError:
        return b""
    assert cassette.ending.reason in (EndReason.TRUNCATED, EndReason.COMPLETE)
    return cassette.body
