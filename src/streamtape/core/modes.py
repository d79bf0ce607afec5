"""
The record modes, as the one table that decides, is tested and is printed in the docs.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecordMode(StrEnum):
    """When to replay and when to record."""

    NONE = "none"
    """A hit is replayed and a miss is refused; nothing is ever recorded."""
    ONCE = "once"
    """All is recorded if the library began empty, else as in ``none``."""
    NEW_EPISODES = "new_episodes"
    """A hit is replayed and a miss is recorded."""
    ALL = "all"
    """A hit is recorded anew and a miss is recorded; nothing is ever replayed."""
    PASSTHROUGH = "passthrough"
    """Hit or miss, the request is forwarded and nothing is recorded."""


class OnDisconnect(StrEnum):
    """What to do when a client leaves in the middle of an answer that is recorded."""

    STOP = "stop"
    """Close the upstream, so that nobody pays for what nobody reads."""
    FINISH = "finish"
    """Read on within bounds, so that the cassette is complete."""


class Action(StrEnum):
    """What to do with one request."""

    REPLAY = "replay"
    """Answer it from a cassette."""
    RECORD = "record"
    """Forward it to the upstream and keep the answer."""
    FORWARD = "forward"
    """Forward it to the upstream and keep nothing."""
    REFUSE = "refuse"
    """Answer that nothing recorded matches."""


TABLE: Final[Mapping[tuple[RecordMode, bool, bool], Action]] = {
    # (mode, library_empty, hit)
    (RecordMode.NONE, True, True): Action.REPLAY,
    (RecordMode.NONE, True, False): Action.REFUSE,
    (RecordMode.NONE, False, True): Action.REPLAY,
    (RecordMode.NONE, False, False): Action.REFUSE,
    (RecordMode.ONCE, True, True): Action.RECORD,
    (RecordMode.ONCE, True, False): Action.RECORD,
    (RecordMode.ONCE, False, True): Action.REPLAY,
    (RecordMode.ONCE, False, False): Action.REFUSE,
    (RecordMode.NEW_EPISODES, True, True): Action.REPLAY,
    (RecordMode.NEW_EPISODES, True, False): Action.RECORD,
    (RecordMode.NEW_EPISODES, False, True): Action.REPLAY,
    (RecordMode.NEW_EPISODES, False, False): Action.RECORD,
    (RecordMode.ALL, True, True): Action.RECORD,
    (RecordMode.ALL, True, False): Action.RECORD,
    (RecordMode.ALL, False, True): Action.RECORD,
    (RecordMode.ALL, False, False): Action.RECORD,
    (RecordMode.PASSTHROUGH, True, True): Action.FORWARD,
    (RecordMode.PASSTHROUGH, True, False): Action.FORWARD,
    (RecordMode.PASSTHROUGH, False, True): Action.FORWARD,
    (RecordMode.PASSTHROUGH, False, False): Action.FORWARD,
}
"""The action for every mode, whether the library began empty, and a hit or miss."""


@cache
def decide(mode: RecordMode, *, library_empty: bool, hit: bool) -> Action:
    """
    Return what to do with a request.

    Args:
        library_empty: Whether the library had no cassette when the run began; it
            stays so while the run records.
        hit: Whether there is a take to replay. A request whose takes are
            exhausted is no hit.
    """
    return TABLE[mode, library_empty, hit]


def explain_modes() -> str:
    """
    Return the table in Markdown, ending in a newline.

    A mode has one row where it doesn't matter how the library began, else two.
    """
    lines = [
        "| Mode | Library at the start | Hit | Miss |",
        "| --- | --- | --- | --- |",
    ]
    for mode in RecordMode:
        empty = _cells(mode, library_empty=True)
        filled = _cells(mode, library_empty=False)
        if empty == filled:
            lines.append(f"| `{mode}` | any | {empty} |")
        else:
            lines.append(f"| `{mode}` | empty | {empty} |")
            lines.append(f"| `{mode}` | not empty | {filled} |")
    return "\n".join(lines) + "\n"


def _cells(mode: RecordMode, *, library_empty: bool) -> str:
    on_hit = decide(mode, library_empty=library_empty, hit=True)
    on_miss = decide(mode, library_empty=library_empty, hit=False)
    return f"{on_hit} | {on_miss}"
