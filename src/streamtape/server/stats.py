"""What became of the requests of one scope."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from streamtape.core.misses.report import MissReport
from streamtape.core.model import Request

KEPT_MISSES: Final = 100
"""Who needs more of them to find out what is wrong?"""


class Query(Protocol):
    """A request, as far as a log needs it."""

    @property
    def clean(self) -> Request:
        """The redacted request."""

    @property
    def key(self) -> str:
        """The match key; empty where nothing is looked for."""


@dataclass(slots=True)
class LoggedInteraction:
    """One request and what became of it."""

    query: Query
    outcome: str = "open"
    """As in the counts; ``open`` until it is known."""
    path: Path | None = None
    """The cassette that answered it, or that it became."""

    @property
    def request(self) -> Request:
        """The redacted request."""
        return self.query.clean

    @property
    def key(self) -> str:
        """The match key; empty where nothing is looked for."""
        return self.query.key


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

    def begin(self, query: Query) -> LoggedInteraction:
        """Take a request into the log, which there is."""
        assert self.log is not None
        interaction = LoggedInteraction(query)
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
