"""The events of a stream over time, so that a person sees where the time went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from streamtape.cli._render import escape, shorten
from streamtape.cli._words import count, format_ns, state_words
from streamtape.core.cassette import Cassette
from streamtape.core.messages.deltas import Event, read_event
from streamtape.core.messages.events import decode, foreign_text
from streamtape.core.sse import EventSplitter

_FIRST: Final = 12
_LAST: Final = 6
_SLOWEST: Final = 6
"""How many events of a long stream are shown: first, last, behind the longest gaps."""

_BAR_CELLS: Final = 8
_NAME_CHARS: Final = 24
_PREVIEW_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class _Moment:
    """One line of the timeline."""

    number: str
    offset_ns: int
    gap_ns: int
    """Since the line before it in the whole timeline, shown or not."""
    size: str
    name: str
    adds: str


def timeline(cassette: Cassette, *, is_full: bool) -> Table:
    """
    Lay out the response's head, its events and its end, each with the time since
    the one before and a bar as long as its share of the longest of these times.

    Args:
        is_full: Show every event, and not the first, the last and the slowest.
    """
    moments = list(_moments(cassette))
    shown = set(range(len(moments))) if is_full else _pick(moments)
    longest_ns = max(moment.gap_ns for moment in moments)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("#", "at", "gap"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="cyan")
    table.add_column("bytes", justify="right", no_wrap=True, style="dim")
    table.add_column("event", no_wrap=True)
    table.add_column("")
    for before, here in pairwise([-1, *sorted(shown)]):
        if here - before > 1:
            hidden = moments[before + 1 : here]
            span_ns = hidden[-1].offset_ns - hidden[0].offset_ns + hidden[0].gap_ns
            told = f"{count(len(hidden), 'event')} in {format_ns(span_ns)}"
            table.add_row("⋮", "", "", "", "", Text(told), style="dim")
        moment = moments[here]
        table.add_row(
            moment.number,
            f"{moment.offset_ns / 1e9:.3f} s",
            format_ns(moment.gap_ns),
            _bar(moment.gap_ns, longest_ns),
            moment.size,
            Text(moment.name),
            Text(moment.adds, no_wrap=True, overflow="ellipsis"),
        )
    return table


def event_name(event: Event) -> str:
    """What to call an event: its name, else its type, else what there is of it."""
    if event.name:
        return event.name
    if event.data is None:
        return "(no data)"
    return decode(event)[0] or "(no name)"


def _moments(cassette: Cassette) -> Iterator[_Moment]:
    head, ending = cassette.response, cassette.ending
    before_ns = 0
    if head is not None:
        status = escape(f"{head.status} {head.reason}")
        before_ns = head.offset_ns
        yield _Moment("", before_ns, before_ns, "", "(headers)", status)
    for number, part in enumerate(cassette.events):
        event = read_event(part.raw)
        name, adds = event_name(event), _preview(event)
        if part is cassette.parts[-1] and not EventSplitter().feed(part.raw):
            name, adds = "(cut off)", part.raw.decode(errors="replace")
        yield _Moment(
            str(number),
            part.offset_ns,
            part.offset_ns - before_ns,
            str(len(part.raw)),
            escape(shorten(name, _NAME_CHARS)),
            escape(shorten(adds, _PREVIEW_CHARS)),
        )
        before_ns = part.offset_ns
    end_ns = ending.offset_ns
    yield _Moment(
        "", end_ns, end_ns - before_ns, "", "(end)", state_words(ending.reason)
    )


def _preview(event: Event) -> str:
    """What an event adds, in a few words."""
    match decode(event):
        case "message_start", {"message": {"model": str(model)}}:
            return model
        case "content_block_start", {"content_block": {"type": str(kind), **block}}:
            name = block.get("name")
            return f"{kind} {name}" if isinstance(name, str) else kind
        case "content_block_delta", {"delta": dict(delta)}:
            return _preview_delta(delta)
        case "message_delta", {"delta": {"stop_reason": str(reason)}, **rest}:
            usage = rest.get("usage")
            tokens = usage.get("output_tokens") if isinstance(usage, dict) else None
            return f"{reason}, {tokens} tokens" if type(tokens) is int else reason
        case "error", {"error": {"type": str(kind), "message": str(message)}}:
            return f"{kind}: {message}"
        case "ping" | "content_block_stop" | "message_stop", _:
            return ""
        case _, data:
            text = foreign_text(data)
            return f'"{text}"' if text else event.data or ""


def _preview_delta(delta: dict[str, Any]) -> str:
    match delta:
        case {"type": "text_delta", "text": str(text)}:
            return f'"{text}"'
        case {"type": "thinking_delta", "thinking": str(text)}:
            return f'thinking "{text}"'
        case {"type": "input_json_delta", "partial_json": str(text)}:
            return f"input {text}"
        case {"type": str(kind)}:
            return kind.removesuffix("_delta")
        case _:
            return ""


def _pick(moments: Sequence[_Moment]) -> set[int]:
    """Return which lines of a long timeline to show."""
    size = len(moments)
    if size <= _FIRST + _LAST + _SLOWEST:
        return set(range(size))
    middle = range(_FIRST, size - _LAST)
    slowest = sorted(middle, key=lambda here: -moments[here].gap_ns)[:_SLOWEST]
    shown = {*range(_FIRST), *slowest, *range(size - _LAST, size)}
    # A line that says "1 event" saves no room.
    return shown | {here for here in middle if {here - 1, here + 1} <= shown}


def _bar(gap_ns: int, longest_ns: int) -> str:
    halves = round(2 * _BAR_CELLS * gap_ns / longest_ns) if gap_ns > 0 else 0
    return "━" * (halves // 2) + "╸" * (halves % 2)
