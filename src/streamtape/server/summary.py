"""
What came of a run: outcomes, misses, cassettes that nobody asked for, what was saved.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamtape.core.misses.report import MissReport
from streamtape.core.modes import RecordMode
from streamtape.errors import CassetteError
from streamtape.library.library import Library
from streamtape.library.reader import read_end
from streamtape.server.config import Config
from streamtape.server.scopes import Scopes
from streamtape.server.stats import KEPT_MISSES, Tally

_REPLAYING = frozenset({RecordMode.NONE, RecordMode.ONCE, RecordMode.NEW_EPISODES})
"""Modes in which a cassette that nobody asked for is worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What replays spared, as the cassettes have it."""

    input_tokens: int = 0
    """Those written to a cache and read from one included."""
    output_tokens: int = 0
    time_ns: int = 0
    """How much shorter the replays were than the recordings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a run."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """
    How many requests met which outcome: ``replayed``, ``recorded``, ``forwarded``,
    ``miss``; and what went wrong: ``failed`` (no answer of the upstream), ``error``
    (no answer of ours: a damaged cassette, a rule that takes too long), ``refused``
    (a request that can't be taken: too long, broken off, a header that can't be),
    ``unfinished`` (broken off by us), ``lost`` (the disk failed).
    """
    misses: tuple[MissReport, ...] = ()
    """The first hundred, each request once."""
    failures: tuple[str, ...] = ()
    """What is wrong with the upstream and stays so, in sentences."""
    unused: tuple[str, ...] = ()
    """Names of cassettes that were there and that nobody asked for."""
    saved: Saved = field(default_factory=Saved)

    def as_json(self) -> dict[str, Any]:
        """Return all of it in the types of JSON, times in seconds."""
        return {
            "requests": dict(self.counts),
            "misses": [report.as_json() for report in self.misses],
            "failures": list(self.failures),
            "unused": list(self.unused),
            "saved": {
                "input_tokens": self.saved.input_tokens,
                "output_tokens": self.saved.output_tokens,
                "seconds": self.saved.time_ns / 1e9,
            },
        }


def summarise(config: Config, scopes: Scopes) -> Summary:
    """
    Look back at a run that is over. Reads the end of every cassette that was played.
    """
    tallies = [scope.tally for scope in scopes.all()]
    counts: Counter[str] = Counter()
    for tally in tallies:
        counts.update(tally.counts)
    used = set().union(*(tally.used for tally in tallies))
    return Summary(
        counts=dict(counts),
        misses=tuple(report for tally in tallies for report in tally.misses.values())[
            :KEPT_MISSES
        ],
        failures=tuple(
            dict.fromkeys(each for tally in tallies for each in tally.failures)
        ),
        unused=_unused(config, used),
        saved=saved_by(tallies),
    )


def saved_by(tallies: Sequence[Tally]) -> Saved:
    """
    Return what replays spared. Reads the end of every cassette that was played.
    """
    plays: Counter[Path] = Counter()
    for tally in tallies:
        plays.update(tally.plays)
    return _saved(plays, played_ns=sum(tally.played_ns for tally in tallies))


def _unused(config: Config, used: set[Path]) -> tuple[str, ...]:
    policies = (config.policy, *config.scopes.values())
    if not any(policy.mode in _REPLAYING for policy in policies):
        return ()
    library = Library(config.cassettes)
    return tuple(
        library.name_of(entry.path)
        for entry in library.entries()
        if entry.path not in used and not entry.is_part
    )


def _saved(plays: Mapping[Path, int], *, played_ns: int) -> Saved:
    input_tokens = output_tokens = recorded_ns = 0
    for path, times in plays.items():
        with contextlib.suppress(CassetteError):
            end = read_end(path)
            if end is None:
                continue
            recorded_ns += times * end.ending.offset_ns
            usage = end.summary.get("usage")
            if isinstance(usage, dict):
                input_tokens += times * _sum(
                    usage,
                    (
                        "input_tokens",
                        "cache_creation_input_tokens",
                        "cache_read_input_tokens",
                    ),
                )
                output_tokens += times * _sum(usage, ("output_tokens",))
    return Saved(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        time_ns=max(0, recorded_ns - played_ns),
    )


def _sum(usage: Mapping[str, object], names: Iterable[str]) -> int:
    return sum(count for name in names if isinstance(count := usage.get(name), int))
