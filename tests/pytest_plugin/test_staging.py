"""The way from the hidden folder to that of the test, broken off at every step."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorded import BYE, HELLO, ask, record
from reliability.failing_disk import CountingDisk
from streamtape.library import Library
from streamtape.library.disk import Disk, is_locked
from streamtape.pytest_plugin.staging import Staging

_NEW = ask("New")


def _contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*.tape")}


def _staged(folder: Path, disk: Disk) -> Staging:
    """Record two requests anew beside a folder, of which one was recorded before."""
    for number in range(2):
        record(Library(folder), HELLO, answer=f"old {number}")
    record(Library(folder), BYE, answer="old bye", folder=folder / "inner")
    staging = Staging(folder, keeps_old=False, disk=disk)
    for request in (HELLO, _NEW):
        record(Library(staging.path), request, answer="new")
    return staging


def _publish(staging: Staging) -> bool:
    """Publish on a disk that may fail; returns whether it did."""
    try:
        staging.publish(drops_old=True)
    except OSError:
        return True
    return False


@pytest.mark.case(87)
@pytest.mark.parametrize("has_links", [True, False], ids=["links", "no links"])
def test_a_disk_that_fails_at_any_step_loses_no_recording(
    tmp_path: Path, has_links: bool
) -> None:
    """Old ones go only when all new ones have their places; the rest is still there."""
    whole = CountingDisk(has_links=has_links)
    assert not _publish(_staged(tmp_path / "whole", whole))
    assert len(whole.calls) >= 4

    for failing in range(1, len(whole.calls) + 1):
        folder = tmp_path / str(failing)
        disk = CountingDisk(failing, is_for_good=True, has_links=has_links)
        staging = _staged(folder, disk)
        old, new = _contents(folder), _contents(staging.path)
        has_failed = _publish(staging)

        there = _contents(folder)
        assert new <= there | _contents(staging.path)
        if len(old - there) > 1:
            # Only that one which has a new one in its place may be gone before.
            assert new <= there
        assert has_failed or new <= there
        staging.discard()


def test_nothing_is_removed_where_nothing_was_recorded(tmp_path: Path) -> None:
    """Whatever its caller has found out, an empty recording replaces no other."""
    record(Library(tmp_path / "a"), HELLO)
    before = _contents(tmp_path / "a")
    staging = Staging(tmp_path / "a", keeps_old=False)
    staging.publish(drops_old=True)
    staging.discard()

    assert _contents(tmp_path / "a") == before


def test_only_what_nobody_uses_any_more_is_cleared_away(tmp_path: Path) -> None:
    """A run at the same time keeps its folder, and so does a test of a longer name."""
    folder, other = tmp_path / "test_a", tmp_path / "test_a.b"
    running, longer = Staging(folder, keeps_old=False), Staging(other, keeps_old=False)
    longer.path.rename(tmp_path / ".test_a.b.left.recording")
    left = tmp_path / ".test_a.left.recording"
    left.mkdir()
    assert is_locked(running.path)
    staging = _staged(folder, Disk())

    staging.publish(drops_old=True)
    staging.discard()

    assert not left.exists()
    assert running.path.exists()
    assert (tmp_path / ".test_a.b.left.recording").exists()
    running.discard()
    longer.discard()
