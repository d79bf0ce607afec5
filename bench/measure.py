"""Percentiles, CPU clocks, and a quiet place to measure in."""

from __future__ import annotations

import gc
import math
import tempfile
import time
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SETTLED_NS = 500_000
_SETTLE_STEP_S = 0.04
_SETTLE_STEPS = 100


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def digest(parts: Iterable[bytes]) -> bytes:
    """The hash of a body that is in pieces."""
    return sha256(b"".join(parts)).digest()


def cpu_ns(pid: int) -> int:
    """
    User and system time of a process with all its threads, ended ones included.

    It is the sum of utime and stime of ``/proc/PID/stat`` in ns instead of ticks
    of 10 ms. The clock's number is made as ``clock_getcpuclockid(3)`` makes it.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def settled_cpu_ns(pid: int) -> int:
    """
    Like :func:`cpu_ns`, read when the process has finished what it had to do.

    So work that a system puts off until a stream has ended is counted too.
    """
    before = cpu_ns(pid)
    for _ in range(_SETTLE_STEPS):
        time.sleep(_SETTLE_STEP_S)
        now = cpu_ns(pid)
        if now - before < _SETTLED_NS:
            return now
        before = now
    raise TimeoutError(f"process {pid} is still busy after its last stream")


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector from stopping this process within a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="streamtape-bench-", dir=parent) as name:
        yield Path(name)
