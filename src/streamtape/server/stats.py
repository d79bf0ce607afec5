"""What became of the requests of one scope."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamtape.core.matching.key import RequestKeys
from streamtape.core.misses.report import MissReport
from streamtape.core.redaction.headers import CleanRequest

KEPT_MISSES: Final = 100
"""Who needs more of them to find out what is wrong?"""


@dataclass(slots=True)
class LoggedInteraction:
    """One request and what became of it."""

    keys: RequestKeys[CleanRequest]
    """The request; it is redacted when the log is read."""
    outcome: str = "open"
    """As in the counts; ``open`` until it is known."""
    path: Path | None = None
    """The cassette that answered it, or that it became."""

    @property
    def request(self) -> CleanRequest:
        """The redacted request."""
        return self.keys.redacted

    @property
    def key(self) -> str:
        """The match key of that."""
        return self.keys.input_redacted.key


class Tally:
    """
    Counts outcomes, cassettes that were played, and misses. For use by several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.plays: Counter[Path] = Counter()
        """How often each cassette was played to its end."""
        self.used: set[Path] = set()
        """All that were played or recorded, even if not to the end."""
        self.played_ns = 0
        """How long the plays took in sum."""
        self.log: list[LoggedInteraction] | None = None
        """All requests in the order in which they came; None to keep none."""
        self.misses: dict[str, MissReport] = {}
        """The first reports, by key."""
        self._lacking: Counter[str] = Counter()
        self.failures: dict[str, None] = {}
        """What is wrong with the upstream and stays so, each sentence once."""

    @property
    def counts(self) -> dict[str, int]:
        """How many requests met which outcome; those that none met are left out."""
        with self._lock:
            return dict(+self._counts)

    @property
    def lacking(self) -> set[str]:
        """
        The keys of requests that were to be recorded in this run and are not, or whose
        recordings are not whole.
        """
        with self._lock:
            return set(+self._lacking)

    def begin_run(self) -> None:
        """Let what was to be recorded until now be of an earlier run."""
        with self._lock:
            self._lacking.clear()

    def begin_recording(self, key: str) -> None:
        """Count a request as one that is to be recorded."""
        with self._lock:
            self._lacking[key] += 1

    def end_recording(self, key: str) -> None:
        """Count one of those as recorded whole."""
        with self._lock:
            # It may have begun in the run before this one, and then there is none.
            self._lacking -= Counter([key])

    def begin(self, keys: RequestKeys[CleanRequest]) -> LoggedInteraction:
        """Take a request into the log, which there is."""
        assert self.log is not None
        interaction = LoggedInteraction(keys)
        self.log.append(interaction)
        return interaction

    def count(self, outcome: str) -> None:
        """Count one request."""
        with self._lock:
            self._counts[outcome] += 1

    def recount(self, outcome: str, became: str) -> None:
        """Count a request as something else than it seemed to become."""
        with self._lock:
            self._counts[outcome] -= 1
            self._counts[became] += 1

    def add_play(self, path: Path, took_ns: int) -> None:
        """Count a cassette that a client got to its end."""
        self.plays[path] += 1
        self.played_ns += took_ns

    def add_miss(self, key: str, report: MissReport) -> None:
        """Keep the report of a miss, unless it was told already."""
        if len(self.misses) < KEPT_MISSES:
            self.misses.setdefault(key, report)
