"""
The texts in a JSON value, each with the place that tells to which longer one it adds.

Strings at the same place of consecutive events are pieces of one text: that is how
every provider sends one. No field is known by its name here.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The steps from a value to one that it holds: names and positions."""

MOST_LEAVES: Final = 256
"""Of one value; in no event of an API there are a tenth of that."""

_DEEPEST: Final = 32
_NUMBER: Final = "index"
"""How the names end of what numbers choices, blocks, calls and parts."""


def find_leaves(data: Any) -> list[tuple[Path, Path, str]]:
    """
    Return the place, the path and the text of each string, the first 256 in all.

    The place is the path and the numbers that stand beside it. What is numbered in a
    list may be anywhere in it: the number counts, and not the position.
    """
    found: list[tuple[Path, Path, str]] = []
    _gather(data, (), (), found)
    return found


def _gather(
    value: Any, place: Path, path: Path, found: list[tuple[Path, Path, str]]
) -> None:
    if isinstance(value, str):
        if len(found) < MOST_LEAVES:
            found.append((place, path, value))
    elif len(path) >= _DEEPEST or len(found) >= MOST_LEAVES:
        return
    elif isinstance(value, dict):
        place += _numbers_in(value)
        for name, inner in value.items():
            if isinstance(inner, str | dict | list):
                _gather(inner, (*place, name), (*path, name), found)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            is_numbered = isinstance(inner, dict) and bool(_numbers_in(inner))
            step = () if is_numbered else (position,)
            _gather(inner, (*place, *step), (*path, position), found)


def put_leaf(data: Any, path: Path, text: str) -> Any:
    """
    Return a value with another text at a path; it may be changed itself.
    """
    if not path:
        return text
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = text
    return data


def _numbers_in(value: dict[str, Any]) -> Path:
    for name in value:
        if name.endswith(_NUMBER):
            break
    else:
        # As nearly always.
        return ()
    return tuple(
        number
        for name, number in value.items()
        if name.endswith(_NUMBER) and isinstance(number, int)
    )
