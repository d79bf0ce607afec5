"""What became of a test's requests: for its failure, the JUnit file and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

_NAMED: Final = 10


class Fate(StrEnum):
    """The worst of what happened to a test's requests."""

    MISS = "MISS"
    """Something was asked that nothing recorded answers."""
    LIVE = "LIVE"
    """Something was forwarded, and not recorded."""
    RECORDED = "RECORDED"
    """Something was forwarded and recorded."""
    HIT = "HIT"
    """All was answered from cassettes."""
    NONE = "NONE"
    """Nothing was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What became of the requests of one test. In the types of JSON: workers send it.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    """As in :class:`streamtape.server.summary.Summary`."""
    tokens: int = 0
    """In and out, that were not asked of an API."""
    saved_s: float = 0.0
    unused: tuple[str, ...] = ()
    """Names of cassettes in the test's own folder that it did not ask for."""

    @property
    def fate(self) -> Fate:
        """The word for it."""
        for told, fate in (
            ("miss", Fate.MISS),
            ("error", Fate.MISS),
            ("failed", Fate.MISS),
            ("refused", Fate.MISS),
            ("forwarded", Fate.LIVE),
            ("recorded", Fate.RECORDED),
            ("replayed", Fate.HIT),
        ):
            if self.counts.get(told):
                return fate
        return Fate.NONE

    def needed(self) -> Verdict:
        """Return it without a word on what was unused."""
        return replace(self, unused=())

    def properties(self) -> Iterator[tuple[str, object]]:
        """Yield what a JUnit file tells of the test."""
        yield "streamtape", self.fate.value
        for told, count in self.counts.items():
            yield f"streamtape_{told}", count
        yield "streamtape_tokens_saved", self.tokens
        yield "streamtape_seconds_saved", round(self.saved_s, 3)
        if self.unused:
            yield "streamtape_unused", ", ".join(self.unused)

    def as_json(self) -> dict[str, Any]:
        """Return it as a worker sends it."""
        return asdict(self)

    @classmethod
    def from_json(cls, sent: Mapping[str, Any]) -> Verdict:
        """Return what a worker sent."""
        return cls(**{**sent, "unused": tuple(sent["unused"])})


def summary_lines(
    verdicts: Mapping[str, Verdict], orphans: Iterable[str], *, is_long: bool
) -> Iterator[str]:
    """
    Yield the lines for the end of a run.

    Args:
        verdicts: By the id of the test.
        orphans: Folders of tests that there are no more.
        is_long: Whether to name each test.
    """
    if is_long:
        for name, verdict in verdicts.items():
            counts = ", ".join(f"{n} {told}" for told, n in verdict.counts.items())
            yield f"{verdict.fate:<9} {name}{f'  ({counts})' if counts else ''}"
    totals: dict[str, int] = {}
    for verdict in verdicts.values():
        for told, count in verdict.counts.items():
            totals[told] = totals.get(told, 0) + count
    said = ", ".join(f"{count} {told}" for told, count in totals.items())
    tokens = sum(verdict.tokens for verdict in verdicts.values())
    saved_s = sum(verdict.saved_s for verdict in verdicts.values())
    if said:
        yield f"{said}; saved {tokens:,} tokens and {saved_s:,.1f} s"
    for name, verdict in verdicts.items():
        if verdict.unused:
            yield f"unused by {name}: {some(verdict.unused)}"
    gone = sorted(orphans)
    if gone:
        yield f"no test of these folders is there any more: {some(gone)}"


def some(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = list(names)
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
