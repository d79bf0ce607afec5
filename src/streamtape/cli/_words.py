"""Times, counts, states, endings and messages as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from streamtape.cli._render import dump_json
from streamtape.core.model import EndReason


class FileState(StrEnum):
    """What a file is, where it has no ending to tell."""

    RECORDING = "recording"
    DAMAGED = "damaged"
    UNSUPPORTED = "unsupported"
    NOT_A_CASSETTE = "not_a_cassette"


MISSING: Final = "-"
"""Stands where there was nothing to measure or to say."""

ENDINGS: Final = {
    EndReason.COMPLETE: "The whole answer came.",
    EndReason.UPSTREAM_EOF: "The body ended, but its stream was not over.",
    EndReason.UPSTREAM_CUT: "The upstream closed the connection within the body.",
    EndReason.UPSTREAM_RESET: "The upstream reset the connection within the body.",
    EndReason.UPSTREAM_TIMEOUT: "The upstream fell silent, and was given up.",
    EndReason.CLIENT_GONE: "The client left before the end.",
    EndReason.SHUTDOWN: "The proxy was stopped before the end.",
    EndReason.DISK_ERROR: "The rest could not be written; the client got it all.",
    EndReason.TRUNCATED: "The file has no end.",
}
"""A sentence for each ending; its detail, where there is one, says more."""

_STATE_WORDS: Final = {EndReason.TRUNCATED.value: "incomplete"}
_STATE_STYLES: Final = {
    EndReason.COMPLETE.value: "",
    EndReason.TRUNCATED.value: "yellow",
    EndReason.CLIENT_GONE.value: "yellow",
    EndReason.SHUTDOWN.value: "yellow",
    FileState.RECORDING.value: "green",
}


def format_ns(time_ns: int | None) -> str:
    """Write a time with the unit and the digits that a person needs."""
    if time_ns is None:
        return MISSING
    ms = time_ns / 1e6
    if 0 < ms < 0.05:
        return "<0.1 ms"
    if 0 < ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_995:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} m {seconds:02d} s"


def list_times(times_ns: dict[str, int | None]) -> str:
    """Write the times that there are in one line, each after its name."""
    known = (
        f"{name} {format_ns(time_ns)}"
        for name, time_ns in times_ns.items()
        if time_ns is not None
    )
    return "  ".join(known)


def count(number: int, noun: str) -> str:
    """Write a number with its noun, which takes an s in the plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def state_words(state: str) -> str:
    """Say the state of a file, or the reason of an ending, in words."""
    return _STATE_WORDS.get(state) or state.replace("_", " ")


def state_style(state: str) -> str:
    """Return rich's style for a state, ``""`` where all is as it should be."""
    return _STATE_STYLES.get(state, "red")


def summarise(message: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each block of a message, and one for its usage."""
    content = message.get("content")
    for block in content if isinstance(content, list) else []:
        match block:
            case {"type": "text", "text": str(text)}:
                yield f"text, {count(len(text), 'character')}"
            case {"type": "thinking", "thinking": str(text)}:
                yield f"thinking, {count(len(text), 'character')}"
            case {"type": str(kind), "name": str(name), "input": tool_input}:
                yield f"{kind} {name} {dump_json(tool_input)}"
            case {"type": str(kind)}:
                yield kind
    usage = message.get("usage")
    # It counts only a beginning as long as nothing has stopped the message.
    if isinstance(usage, dict) and message.get("stop_reason"):
        yield ", ".join(
            f"{name} {number:,}"
            for name, number in usage.items()
            if type(number) is int and number
        )
