"""
What the last long run counted, as the repository keeps it for docs/reliability.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

PLACE: Final = Path("docs", "reliability.json")
"""Below the root of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often something was tried, and what should be 0."""

    trials: int = 0
    lost: int = 0
    wrong: int = 0
    leaked: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Take the counts out of what a test or a program told."""
        names = ("trials", "lost", "wrong", "leaked")
        return cls(**{name: int(told[name]) for name in names})

    @property
    def is_clean(self) -> bool:
        """Whether all is 0 that should be."""
        return self.lost == self.wrong == self.leaked == 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(
            trials=self.trials + other.trials,
            lost=self.lost + other.lost,
            wrong=self.wrong + other.wrong,
            leaked=self.leaked + other.leaked,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRun:
    """A long run in which nothing failed."""

    date: str
    """In UTC, as in ``2026-01-31``."""
    version: str
    python: str
    cores: int
    minutes: int
    cases: Mapping[int, Counts] = field(default_factory=dict)
    others: Mapping[str, Counts] = field(default_factory=dict)
    """By the names of what is no numbered case: the fuzzer, the soak."""

    def save(self, root: Path) -> Path:
        """Write the file below the root of the project, and return its path."""
        path = root / PLACE
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return path


def find_long_run(root: Path) -> LongRun | None:
    """Read what the last long run left below the root of the project."""
    path = root / PLACE
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    cases = {int(key): Counts.of(counts) for key, counts in told.pop("cases").items()}
    others = {key: Counts.of(counts) for key, counts in told.pop("others").items()}
    return LongRun(**told, cases=cases, others=others)
