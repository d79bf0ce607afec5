"""
`recover` on files that were cut, flipped and written over, and on disks that fail.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from proofs import Trials
from reliability.failing_disk import CountingDisk
from streamtape.core.model import EndReason, Part
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError, UnsupportedVersionError
from streamtape.library import read_cassette
from streamtape.library.disk import Disk
from streamtape.library.recover import Recovered, recover_file
from taping import hello, write_tape

BODY = [(at, raw) for at, raw in hello("Hello", " there", ", world")]


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "sound", BODY)


def recover(data: bytes, folder: Path, number: int) -> tuple[Recovered, Path] | None:
    """
    Recover a file of these bytes, or return None if there is nothing to be recovered.

    It is checked that the file stays as it is, and that nothing else is left there.
    """
    path, place = folder / f"{number}.tape", folder / f"{number}-recovered.tape"
    path.write_bytes(data)
    before = path.stat()
    try:
        recovered = recover_file(path, place, Secrets())
    except CassetteError:
        recovered = None
    after = path.stat()
    assert path.read_bytes() == data
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    path.unlink()
    assert list(folder.iterdir()) == ([] if recovered is None else [place])
    return None if recovered is None else (recovered, place)


def judge(trials: Trials, found: tuple[Recovered, Path], whole: list[Part]) -> None:
    """Count what a recovered cassette has that it shouldn't, and the reverse."""
    recovered, place = found
    trials.ran += 1
    cassette = read_cassette(place)
    parts = list(cassette.parts)
    trials.wrong += parts != whole[: len(parts)]
    # What is lost is never said to be whole.
    is_short = len(parts) < len(whole)
    trials.wrong += recovered.is_lossy != is_short
    trials.wrong += cassette.ending.is_complete == recovered.is_lossy
    once = place.read_bytes()
    twice = place.with_name("twice.tape")
    assert not recover_file(place, twice, Secrets()).is_lossy
    trials.wrong += twice.read_bytes() != once
    twice.unlink()
    place.unlink()


def every_cut(data: bytes, trials: Trials) -> Iterator[tuple[int, bytes]]:
    step = trials.many(quick=19, long=1)
    for size in range(0, len(data) + 1, step):
        yield size, data[:size]


@pytest.mark.case(34)
def test_a_file_cut_anywhere_is_recovered_up_to_the_cut(
    sound: Path, tmp_path: Path, trials: Trials
) -> None:
    data, whole = sound.read_bytes(), list(read_cassette(sound).parts)
    folder = tmp_path / "cut"
    folder.mkdir()
    counts = []
    for size, cut in every_cut(data, trials):
        if (found := recover(cut, folder, size)) is not None:
            counts.append(found[0].part_count)
            judge(trials, found, whole)
    # The longer what is left, the more is recovered, and in the end all of it.
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, len(whole))
    assert trials.wrong == 0


@pytest.mark.case(34)
def test_a_damaged_file_is_recovered_up_to_the_damage(
    sound: Path, tmp_path: Path, trials: Trials
) -> None:
    data, whole = sound.read_bytes(), list(read_cassette(sound).parts)
    folder = tmp_path / "damaged"
    folder.mkdir()
    dice = Random(34)
    for number in range(trials.many(quick=80, long=5000)):
        damaged = bytearray(data)
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                damaged[at] ^= 1 << dice.randrange(8)
            case 1:
                damaged[at : at + 64] = bytes(64)
            case 2:
                del damaged[at : at + 17]
            case _:
                damaged += dice.randbytes(dice.randrange(1, 100))
        if (found := recover(bytes(damaged), folder, number)) is not None:
            judge(trials, found, whole)
    assert trials.ran > trials.many(quick=30, long=2000)
    assert trials.wrong == 0


@pytest.mark.case(34)
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("has_links", [True, False], ids=["links", "no-links"])
def test_a_disk_that_fails_leaves_no_half_of_a_file(
    sound: Path, tmp_path: Path, trials: Trials, code: int, has_links: bool
) -> None:
    truncated = tmp_path / "truncated.tape"
    truncated.write_bytes(sound.read_bytes()[:-200])
    place = tmp_path / "new" / "recovered.tape"
    place.parent.mkdir()
    for failing in range(1, 100):
        trials.ran += 1
        disk = CountingDisk(failing, code, has_links=has_links)
        try:
            recover_file(truncated, place, Secrets(), disk=disk)
            said = None
        except CassetteError as error:
            said = str(error)
        left = list(place.parent.iterdir())
        if said is not None:
            assert "can't be written" in said
            assert left == []
            continue
        # Whatever failed behind the name took nothing away.
        trials.wrong += read_cassette(place).ending.reason is EndReason.TRUNCATED
        for path in left:
            path.unlink()
        if not disk.has_failed:
            break
    assert trials.ran > 4
    assert trials.wrong == 0


class _FalseDisk(Disk):
    """What is written becomes another sound cassette."""

    def __init__(self, other: bytes) -> None:
        self._other = other

    def write(self, descriptor: int, data: bytes) -> int:
        super().write(descriptor, self._other)
        return len(data)


@pytest.mark.case(34)
def test_an_output_that_says_something_else_is_not_kept(
    sound: Path, tmp_path: Path
) -> None:
    other = write_tape(tmp_path / "other", hello("Hello", " where", ", world"))
    folder = tmp_path / "new"
    folder.mkdir()

    disk = _FalseDisk(other.read_bytes())

    with pytest.raises(CassetteError, match="would not be what they were"):
        recover_file(sound, folder / "a.tape", Secrets(), disk=disk)

    assert list(folder.iterdir()) == []


@pytest.mark.case(34)
@pytest.mark.parametrize("name", ["future", "critical-frame"])
def test_a_file_of_a_later_version_is_not_touched(tmp_path: Path, name: str) -> None:
    path = Path(__file__).parents[1] / f"data/v1/{name}.tape"

    with pytest.raises(UnsupportedVersionError, match=name):
        recover_file(path, tmp_path / "new.tape", Secrets())

    assert list(tmp_path.iterdir()) == []
