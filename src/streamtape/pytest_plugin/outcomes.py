"""What became of a test's requests: for its failure, the JUnit file and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

_NAMED: Final = 10


class Outcome(StrEnum):
    """What a line of the report begins with: the worst outcome of a test's requests."""

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
class TestOutcome:
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
    def worst(self) -> Outcome:
        """The worst outcome of its requests."""
        for counted, outcome in (
            ("miss", Outcome.MISS),
            ("error", Outcome.MISS),
            ("failed", Outcome.MISS),
            ("refused", Outcome.MISS),
            ("forwarded", Outcome.LIVE),
            ("recorded", Outcome.RECORDED),
            ("replayed", Outcome.HIT),
        ):
            if self.counts.get(counted):
                return outcome
        return Outcome.NONE

    def without_unused(self) -> TestOutcome:
        """Return it without a word on what was unused."""
        return replace(self, unused=())

    def properties(self) -> Iterator[tuple[str, object]]:
        """Yield what a JUnit file tells of the test."""
        yield "streamtape", self.worst.value
        for counted, number in self.counts.items():
            yield f"streamtape_{counted}", number
        yield "streamtape_tokens_saved", self.tokens
        yield "streamtape_seconds_saved", round(self.saved_s, 3)
        if self.unused:
            yield "streamtape_unused", ", ".join(self.unused)

    def as_json(self) -> dict[str, Any]:
        """Return it as a worker sends it."""
        return asdict(self)

    @classmethod
    def from_json(cls, sent: Mapping[str, Any]) -> TestOutcome:
        """Return what a worker sent."""
        return cls(**{**sent, "unused": tuple(sent["unused"])})


def summary_lines(
    outcomes: Mapping[str, TestOutcome], orphans: Iterable[str], *, is_long: bool
) -> Iterator[str]:
    """
    Yield the lines for the end of a run.

    Args:
        outcomes: By the id of the test.
        orphans: Folders of tests that there are no more.
        is_long: Whether to name each test.
    """
    if is_long:
        for name, outcome in outcomes.items():
            counts = ", ".join(f"{n} {word}" for word, n in outcome.counts.items())
            yield f"{outcome.worst:<9} {name}{f'  ({counts})' if counts else ''}"
    totals: dict[str, int] = {}
    for outcome in outcomes.values():
        for word, number in outcome.counts.items():
            totals[word] = totals.get(word, 0) + number
    said = ", ".join(f"{number} {word}" for word, number in totals.items())
    tokens = sum(outcome.tokens for outcome in outcomes.values())
    saved_s = sum(outcome.saved_s for outcome in outcomes.values())
    if said:
        yield f"{said}; saved {tokens:,} tokens and {saved_s:,.1f} s"
    for name, outcome in outcomes.items():
        if outcome.unused:
            yield f"unused by {name}: {some(outcome.unused)}"
    gone = sorted(orphans)
    if gone:
        yield f"no test of these folders is there any more: {some(gone)}"


def some(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = list(names)
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
