"""Which files a replay reads, and how often; a changed one is read again."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from streamtape.core.model import EndReason, Part
from streamtape.errors import CassetteNotFoundError, DamagedCassetteError
from streamtape.library.cache import CassetteCache, Playable
from taping import write_tape

EVENT = b"event: ping\ndata: {}\n\n"


def much_later() -> int:
    """Return a wall clock by which every file has been there for long."""
    return 2**62


def opened(cache: CassetteCache, path: Path) -> AbstractContextManager[Playable]:
    if cache.is_long(path):
        cache.verify(path)
    return cache.open(path)


def played(cache: CassetteCache, path: Path) -> list[Part]:
    with opened(cache, path) as cassette:
        return list(cassette.parts())


@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["kept", "read-as-played"])
def test_a_cassette_is_played_whole_each_time(tmp_path: Path, padding: int) -> None:
    large = b": " + b"x" * padding + b"\n" + EVENT
    path = write_tape(tmp_path, [(300, EVENT), (400, large)])
    cache = CassetteCache(much_later)

    for _ in range(2):
        with opened(cache, path) as cassette:
            parts = list(cassette.parts())

            assert b"".join(part.raw for part in parts) == EVENT + large
            assert cassette.response is not None
            assert cassette.ending.reason is EndReason.COMPLETE


@pytest.mark.case(32)
@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["kept", "read-as-played"])
def test_a_cassette_that_was_replaced_is_read_again(
    tmp_path: Path, padding: int
) -> None:
    path = write_tape(tmp_path, [(300, EVENT + b": " + b"x" * padding + b"\n\n")])
    cache = CassetteCache(much_later)
    played(cache, path)
    path.unlink()
    new = write_tape(tmp_path, [(300, EVENT * 2)])

    assert new == path
    assert b"".join(part.raw for part in played(cache, path)) == EVENT * 2


@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["kept", "read-as-played"])
def test_a_file_that_was_changed_just_now_is_not_relied_on(
    tmp_path: Path, padding: int
) -> None:
    """A second change in the same tick may leave no trace but in the file itself."""
    path = write_tape(tmp_path, [(300, EVENT + b": " + b"x" * padding + b"\n\n")])
    changed_ns = path.stat().st_mtime_ns
    cache = CassetteCache(lambda: changed_ns)
    played(cache, path)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(changed_ns, changed_ns))

    with pytest.raises(DamagedCassetteError):
        opened(cache, path)


@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["kept", "read-as-played"])
def test_damage_is_found_before_anything_is_played(
    tmp_path: Path, padding: int
) -> None:
    path = write_tape(tmp_path, [(300, EVENT + b": " + b"x" * padding + b"\n\n")])
    data = bytearray(path.read_bytes())
    # Within the last part, behind all that a reader of the head looks at.
    data[data.rfind(b"\n\n") - 1] ^= 1
    path.write_bytes(data)

    with pytest.raises(DamagedCassetteError):
        opened(CassetteCache(), path)


def test_memory_is_bounded_and_the_oldest_leave_it(tmp_path: Path) -> None:
    padding = b": " + b"x" * 700_000 + b"\n\n"
    names = [f"long-{number:08x}" for number in range(100)]
    first = write_tape(tmp_path, [(300, padding)], name="first")
    paths = [Path(shutil.copy(first, tmp_path / f"{name}.tape")) for name in names]
    cache = CassetteCache(much_later)
    for path in paths:
        played(cache, path)

    assert cache.kept_bytes <= 64 * 1024 * 1024
    assert cache.kept_bytes >= 60 * 1024 * 1024
    assert all(played(cache, path) for path in paths)


def test_a_long_file_is_verified_once(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [(300, EVENT + b": " + b"x" * 2_000_000 + b"\n\n")])
    cache = CassetteCache(much_later)

    assert cache.is_long(path)
    played(cache, path)
    assert not cache.is_long(path)
    path.touch()
    assert cache.is_long(path)


def test_many_small_parts_count_for_more_than_their_file(tmp_path: Path) -> None:
    """Each is an object of its own, which takes more than a few bytes."""
    path = write_tape(tmp_path, [(300, EVENT)] * 1000)
    cache = CassetteCache(much_later)
    played(cache, path)

    assert cache.kept_bytes >= path.stat().st_size + 1000 * 150


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFoundError, match="there is no such cassette"):
        CassetteCache().open(tmp_path / "gone.tape")
