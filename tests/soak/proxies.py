"""The proxies of a soak: real processes, one of which is killed now and then."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Final, Self

from e2e.processes import Program
from streamtape.server.clock import SystemClock
from usage import IS_TOLD, MIB, count_descriptors, peak_rss_bytes, rss_bytes

MOST_GROWTH_BYTES: Final = 64 * MIB
"""How much memory a recorder may take over what it had when it was idle."""

CACHE_BYTES: Final = 64 * MIB
"""How much of its cassettes a replay keeps besides."""

MOST_DESCRIPTORS: Final = 8
"""How many more may be open when all clients have gone: files that were in use."""


class Watched(Program):
    """
    A proxy whose memory and descriptors are looked at.

    Args:
        arguments: What follows ``streamtape``.
    """

    def __init__(self, *arguments: str | Path) -> None:
        super().__init__(*arguments)
        # It is idle once it has told its address.
        assert self.base_url
        self._idle_bytes = self._idle_descriptors = 0
        if IS_TOLD:
            self._idle_bytes = rss_bytes(self.pid)
            self._idle_descriptors = count_descriptors(self.pid)

    @property
    def growth_bytes(self) -> int:
        """
        How much more memory it has had than when it was idle; 0 where nobody tells.
        """
        if not IS_TOLD:
            return 0
        return peak_rss_bytes(self.pid) - self._idle_bytes

    @property
    def more_descriptors(self) -> int:
        """How many more are open than when it was idle; 0 where nobody tells."""
        if not IS_TOLD:
            return 0
        return count_descriptors(self.pid) - self._idle_descriptors


class KilledRecorder:
    """
    A recorder that is killed and started again, in the same folder.

    A context manager; usable from several threads.
    """

    def __init__(self, upstream: str, folder: Path) -> None:
        self._arguments = ("record", "--upstream", upstream, "--cassettes", folder)
        self._lock = threading.Lock()
        self.kills_ns: list[int] = []
        """When it was killed, on the monotonic clock; noted before it is."""
        self.growth_bytes = 0
        """The most of all its lives."""
        self.current = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.current.__exit__()

    def find(self) -> tuple[str, int]:
        """Return its address, and how often it had been killed when it got that."""
        with self._lock:
            return self.current.base_url, len(self.kills_ns)

    def kill(self) -> None:
        """Kill it in the middle of whatever it does, and start another."""
        self.note_growth()
        with self._lock:
            self.kills_ns.append(SystemClock.now_ns())
            self.current.send(signal.SIGKILL)
            self.current.finish()
            self.current = self._start()

    def note_growth(self) -> None:
        """Remember how much memory it has had so far."""
        self.growth_bytes = max(self.growth_bytes, self.current.growth_bytes)

    def stop(self) -> int:
        """Ask it to end in good order; returns its exit status."""
        self.note_growth()
        return self.current.stop().status

    def _start(self) -> Watched:
        return Watched(*self._arguments, "--port", "0")


def start_replay(folder: Path) -> Watched:
    """Start a replay of a folder, without waits."""
    where = ("--cassettes", folder, "--port", "0")
    return Watched("replay", *where, "--speed", "instant")
