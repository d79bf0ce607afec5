"""Disks that fail, one call after the other, and a recorder on one of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from streamtape.library.disk import Disk
from streamtape.server.config import recording_config
from streamtape.server.server import RunningServer
from streamtape.settings import resolve


def record_on(
    disk: Disk, folder: Path, *, upstream: str, mode: str | None = None
) -> RunningServer:
    """Do what :func:`streamtape.record` does, on a disk that may fail."""
    settings = resolve({"cassettes": folder, "upstream": upstream, "mode": mode})
    return RunningServer(recording_config(settings, port=0), disk=disk)


class CountingDisk(Disk):
    """
    A disk whose calls are counted, and of which one may fail.

    Args:
        failing: Which call fails, counted from 1; 0 for none.
        code: The error, as :mod:`errno` has it.
        is_for_good: Whether all calls behind it fail too.
        has_links: Whether the file system knows hard links.
    """

    def __init__(
        self,
        failing: int = 0,
        code: int = errno.EIO,
        *,
        is_for_good: bool = False,
        has_links: bool = True,
    ) -> None:
        self.calls: list[str] = []
        self.failing = failing
        self.code = code
        self.is_for_good = is_for_good
        self.has_links = has_links

    @property
    def has_failed(self) -> bool:
        """Whether it came to the call that fails."""
        return 0 < self.failing <= len(self.calls)

    def step(self, name: str) -> None:
        """Count a call, and fail if it is its turn."""
        self.calls.append(name)
        number = len(self.calls)
        if number == self.failing or (self.is_for_good and self.has_failed):
            self.fail()

    def fail(self) -> None:
        """Do what the failing call does."""
        raise OSError(self.code, os.strerror(self.code))

    def make_folder(self, path: Path) -> None:
        self.step("make_folder")
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self.step("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self.step("write")
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        self.step("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self.step("sync")
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self.step("sync_folder")
        super().sync_folder(path)

    def link(self, path: Path, name: Path) -> None:
        self.step("link")
        if not self.has_links:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        super().link(path, name)

    def rename(self, path: Path, name: Path) -> None:
        self.step("rename")
        super().rename(path, name)

    def remove(self, path: Path) -> None:
        self.step("remove")
        super().remove(path)


class ShortDisk(CountingDisk):
    """A disk of which one write takes a part, and the next call refuses the rest."""

    def write(self, descriptor: int, data: bytes) -> int:
        self.calls.append("write")
        number = len(self.calls)
        if number == self.failing:
            return os.write(descriptor, data[: len(data) // 2])
        if number == self.failing + 1:
            self.fail()
        return os.write(descriptor, data)


class DeadlyDisk(CountingDisk):
    """A disk in one of whose calls the process dies."""

    def fail(self) -> None:
        os._exit(9)
