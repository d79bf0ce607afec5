"""
What of a request can be ignored so that no answer to another question comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamtape.core.misses.changes import Side, write_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.misses.changes import Change, Location

_MOST_PATHS: Final = 2
"""For more places of one key, the key is ignored wherever it is."""
_CACHE: Final = "cache_control"
_AROUND_CACHE: Final = frozenset({"messages", "system", "tools", "content"})
_IGNORABLE: Final = frozenset(
    {
        _CACHE,
        "betas",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""Fields of a request that say how to answer, and not what."""
_NAMING: Final = (("model",), ("name",), ("role",), ("type",))
"""Ends of places with such a text."""
_PAGING: Final = frozenset({"after_id", "before_id", "limit", "page"})
"""Parameters of a query that say which part of a list is asked for."""
_TOOL_IDS: Final = (("id",), ("tool_use_id",))


def find_ignorable(change: Change) -> str | None:
    """
    Return what to ignore so that a change goes away, if that does no harm.
    """
    place = change.place
    if change.side is Side.QUERY:
        return None if place[0] in _PAGING else f"?{place[0]}"
    if change.side is not Side.BODY:
        return None
    if _CACHE in place:
        place = place[: place.index(_CACHE) + 1]
        around = {step for step in place[:-1] if isinstance(step, str)}
        return write_path(place, is_general=True) if around <= _AROUND_CACHE else None
    top, *inner = place or ("",)
    if top == "tools" and len(inner) > 1 and inner[1] not in ("name", "type"):
        return write_path(place[:3], is_general=True)
    return str(top) if top in _IGNORABLE else None


def fewest_paths(paths: Iterable[str]) -> list[str]:
    """
    Leave out the paths that others hold, and name a key once that is everywhere.
    """
    given = sorted(paths)
    held = tuple(f"{path}[" for path in given)
    kept = [path for path in given if not path.startswith(held)]
    cached = [path for path in kept if path.endswith(_CACHE)]
    if len(cached) > _MOST_PATHS:
        kept = [path for path in kept if path not in cached] + [f"$..{_CACHE}"]
    return kept


def names_a_thing(place: Location) -> bool:
    """
    Whether a text says which thing is meant: then another one is another question.
    """
    return place[-1:] in _NAMING or "source" in place


def is_tool_id(place: Location) -> bool:
    """
    Whether a text tells which call a result belongs to.
    """
    return place[-1:] in _TOOL_IDS
