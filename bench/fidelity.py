"""One system in one case: how far each event was from its due time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING

from bench.measure import percentile, settled_cpu_ns
from bench.playback import Heard, listen
from bench.streams import Stream

if TYPE_CHECKING:
    from bench.systems import System

INSTANT = float("inf")
LONG = Stream(number=1000, events=2000)
"""For what is measured without pacing, and to warm up with."""

_SPREAD = 0.3

Figures = dict[str, float]
Offsets = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How fast, and for how many at once."""

    speed: float
    clients: int

    @property
    def word(self) -> str:
        """The speed as the command line takes it."""
        return "instant" if self.speed == INSTANT else f"{self.speed:g}"

    def __str__(self) -> str:
        return f"{self.word}{'' if self.speed == INSTANT else 'x'}, {self.clients}"


class CaseRuns:
    """One system in one case, round after round."""

    def __init__(
        self, system: System, case: Case, streams: Sequence[Stream], expected: Offsets
    ) -> None:
        self.system = system
        self.failures: list[str] = []
        self._case = case
        self._expected = expected
        turns = cycle([LONG] if case.speed == INSTANT else streams)
        self._streams = list(islice(turns, case.clients))
        self._rounds: list[Figures] = []
        # So that nothing is loaded or made for the first time within a round.
        listen(system.port, [LONG], spread_s=0)

    def measure(self) -> None:
        """Run one round."""
        assert self.system.pid is not None
        spread = spread_s(self._streams[0]) / self._case.speed
        before_ns = settled_cpu_ns(self.system.pid)
        heard = listen(self.system.port, self._streams, spread_s=spread)
        used_ns = settled_cpu_ns(self.system.pid) - before_ns
        events = sum(len(one.arrivals_ns) for one in heard)
        exact = [one for one in heard if one.exact]
        if len(exact) < len(heard):
            wrong = len(heard) - len(exact)
            self.failures.append(f"{self._case}: {self.system.name}: {wrong} bodies")
        figures = {
            "cpu_us": used_ns / 1000 / max(1, events),
            "exact_percent": 100 * len(exact) / len(heard),
        }
        if self._case.speed == INSTANT:
            begun_ns = min(one.sent_ns for one in heard)
            ended_ns = max(one.ended_ns for one in heard)
            figures["events_s"] = events / (ended_ns - begun_ns) * 1e9
        elif exact:
            figures |= errors_ms([self._errors_ns(one) for one in exact])
        self._rounds.append(figures)

    def figures(self) -> Figures:
        """Medians over the rounds, but the worst of what must never happen."""
        worst = {"max_ms": max, "exact_percent": min}
        return {
            key: worst.get(key, median)(figures[key] for figures in self._rounds)
            for key in set.intersection(*map(set, self._rounds))
        }

    def beyond(self, control: CaseRuns) -> Figures:
        """Medians of what is more, or less, than another system in the same round."""
        pairs = list(zip(self._rounds, control._rounds, strict=True))
        return {
            key: median(ours[key] - theirs[key] for ours, theirs in pairs)
            for key in ("p50_ms", "p99_ms", "drift_ms", "cpu_us")
            if all(key in ours and key in theirs for ours, theirs in pairs)
        }

    def _errors_ns(self, heard: Heard) -> list[float]:
        offsets = self._expected[heard.stream.number]
        return [
            arrival_ns - offset_ns / self._case.speed
            for arrival_ns, offset_ns in zip(heard.arrivals_ns, offsets, strict=True)
        ]


def errors_ms(errors_ns: Sequence[Sequence[float]]) -> Figures:
    """Sum up the signed errors of each stream's events; drift is that of the last."""
    sizes = [abs(error) / 1e6 for stream in errors_ns for error in stream]
    return {
        "p50_ms": percentile(sizes, 50),
        "p99_ms": percentile(sizes, 99),
        "max_ms": max(sizes),
        "drift_ms": median(stream[-1] / 1e6 for stream in errors_ns),
    }


def spread_s(stream: Stream) -> float:
    """How long a time the clients of a stream take to begin, at speed 1."""
    return stream.duration_ms / 1000 * _SPREAD
