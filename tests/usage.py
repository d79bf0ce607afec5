"""What a running process uses: memory and descriptors, where the system tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

IS_TOLD: Final = (PROC / "self" / "status").exists()
"""Linux tells; a test that has to know is skipped elsewhere."""

MIB: Final = 1 << 20

_FORGET_PEAK: Final = "5"
"""See proc_pid_clear_refs(5)."""


def rss_bytes(pid: int) -> int:
    """Return how much memory a process has now."""
    return _status_bytes(pid, "VmRSS")


def peak_rss_bytes(pid: int) -> int:
    """
    Return the most memory that a process has had since it began or was told to forget.
    """
    return _status_bytes(pid, "VmHWM")


def forget_peak(pid: int) -> int:
    """Let the peak begin anew, and return what the process has now."""
    (PROC / str(pid) / "clear_refs").write_text(_FORGET_PEAK)
    return rss_bytes(pid)


def count_descriptors(pid: int) -> int:
    """Return how many files and connections a process has open."""
    return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())


def _status_bytes(pid: int, name: str) -> int:
    status = (PROC / str(pid) / "status").read_text()
    match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert match is not None, status
    return int(match[1]) * 1024
