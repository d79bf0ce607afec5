"""
How fast one response came: time to its head and first token, gaps, time per token.

Computed from what was recorded; no clock is read here. All times are ns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from streamtape.core.messages.deltas import Event, read_event
from streamtape.core.messages.events import DeltaKind, StreamSummary, delta_kind
from streamtape.core.messages.providers import find_output_tokens
from streamtape.core.stream_formats import StreamFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamtape.core.model import Ending, Part, Response

_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Timing:
    """The times of one interaction; None where there was nothing to measure."""

    time_to_headers_ns: int | None
    """Offset of the response's head."""
    ttft_ns: int | None
    """Offset of the first delta that adds something, thinking included."""
    ttft_text_ns: int | None
    """The same without thinking: text, or the input of a tool."""
    gaps_ns: tuple[int, ...]
    """
    Between successive parts; 0 where they came in one read.

    Not the time between tokens: an event may carry several.
    """
    duration_ns: int
    """Offset of the ending."""
    output_tokens: int | None
    """From the last usage; None where the stream ended before it was final."""
    tpot_ns: int | None
    """From the first delta to the last, for each token but the first; rounded."""

    def __repr__(self) -> str:
        times = {
            "headers": self.time_to_headers_ns,
            "first token": self.ttft_ns,
            "per token": self.tpot_ns,
            "total": self.duration_ns,
        }
        known = [
            f"{name} {time_ns / _NS_PER_MS:.1f} ms"
            for name, time_ns in times.items()
            if time_ns is not None
        ]
        return f"<Timing: {', '.join(known)}, {len(self.gaps_ns)} gaps>"


def measure(
    response: Response | None,
    parts: Sequence[Part],
    ending: Ending,
    *,
    stream_format: StreamFormat | None = None,
) -> Timing:
    """
    Measure one interaction.

    Args:
        response: None where no head was recorded; nothing is read as events then.
        parts: In order of arrival.
        stream_format: Of the body; None for what its media type says.
    """
    if stream_format is None:
        stream_format = (
            StreamFormat.NONE if response is None else response.stream_format
        )
    is_stream = stream_format is not StreamFormat.NONE
    read = partial(read_event, stream_format=stream_format)
    events = [(part.offset_ns, read(part.raw)) for part in parts if is_stream]
    ttft_ns = _find_delta(events)
    tokens = _find_output_tokens(event for _, event in events)
    return Timing(
        time_to_headers_ns=None if response is None else response.offset_ns,
        ttft_ns=ttft_ns,
        ttft_text_ns=_find_delta(events, but=DeltaKind.THINKING),
        gaps_ns=tuple(b.offset_ns - a.offset_ns for a, b in pairwise(parts)),
        duration_ns=ending.offset_ns,
        output_tokens=tokens,
        tpot_ns=_time_per_token(ttft_ns, _find_delta(reversed(events)), tokens),
    )


def percentile_ns(values_ns: Sequence[int], q: float) -> int:
    """
    Return the value that q percent of the values don't exceed, by nearest rank.

    It is always one of the values.

    Args:
        values_ns: In any order.
        q: From 0, the smallest value, to 100, the largest.

    Raises:
        ValueError: There are no values, or q is out of its range.
    """
    if not values_ns or not 0 <= q <= 100:
        message = f"percentile {q} of {len(values_ns)} values"
        raise ValueError(message)
    # Multiplied first, as 7 / 100 * 100 is a little more than 7.
    rank = math.ceil(q * len(values_ns) / 100)
    return sorted(values_ns)[max(rank, 1) - 1]


def _find_delta(
    events: Iterable[tuple[int, Event]], *, but: DeltaKind | None = None
) -> int | None:
    """Offset of the first event that adds something of another kind."""
    for offset_ns, event in events:
        if delta_kind(event) not in (None, but):
            return offset_ns
    return None


def _find_output_tokens(events: Iterable[Event]) -> int | None:
    summary = StreamSummary()
    for event in events:
        summary.feed(event)
    # The count of message_start is only that of a beginning.
    is_final = summary.stop_reason is not None
    return find_output_tokens(summary.usage) if is_final else None


def _time_per_token(
    first_ns: int | None, last_ns: int | None, tokens: int | None
) -> int | None:
    if first_ns is None or last_ns is None or tokens is None or tokens < 2:
        return None
    return round((last_ns - first_ns) / (tokens - 1))
