"""
Where two requests differ, in the API's own terms.

Only what the match key sees is compared. Every value is shown cut, with control
characters escaped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from streamtape.core.matching import (
    canonical_json,
    find_parts,
    matched_json,
    matched_query,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamtape.core.model import Request

SHOWN_CHARS: Final = 40
"""How much of one value is shown."""

_CHARS_BEFORE = 15
"""How much of the text in common is shown before the first difference."""
_TELLING_KEYS = ("type", "role", "name", "id", "text", "content")
_PLAIN_KEY = re.compile(rf"[A-Za-z_$][A-Za-z0-9_$]{{0,{SHOWN_CHARS}}}")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One place where two requests differ; as text, a line without its end.
    """

    path: str
    """In the API's own terms: ``messages[3].content[0].text``."""
    recorded: str
    """The value as shown to people, empty where the recorded request has none."""
    requested: str
    """The value as shown to people, empty where the new request has none."""
    note: str = ""
    """How they differ, where the two values don't tell."""

    def __str__(self) -> str:
        if not self.recorded:
            return f"{self.path} added: {self.requested}"
        if not self.requested:
            return f"{self.path} missing: {self.recorded}"
        place = f"{self.path} {self.note}" if self.note else self.path
        return f"{place}: {self.recorded} / {self.requested}"


def find_differences(
    recorded: Request, requested: Request, limit: int = 3
) -> list[Difference]:
    """
    Return the first differences: method, path, query, then body.

    Within an object scalars come before arrays and objects, so that a changed
    model isn't hidden behind a changed conversation. Items put into a list at one
    place, or taken out there, are told as such, and not as a change of all that
    follow. The work is linear in the size of the bodies.
    """
    return list(islice(_differences(recorded, requested), limit))


def _differences(recorded: Request, requested: Request) -> Iterator[Difference]:
    yield from _compare("method", recorded.method, requested.method)
    yield from _compare("path", recorded.path, requested.path)
    yield from _compare("query", _query(recorded), _query(requested))
    yield from _compare("", matched_body(recorded), matched_body(requested))


def _query(request: Request) -> dict[str, object]:
    values: dict[str, list[str]] = {}
    for name, value in matched_query(request):
        values.setdefault(name, []).append(value)
    return {name: all_[0] if len(all_) == 1 else all_ for name, all_ in values.items()}


def matched_body(request: Request) -> object:
    """
    Return what the key sees of a body in the types of JSON, whatever it is.
    """
    value = matched_json(request)
    if value is not None:
        return value
    parts = find_parts(request)
    if parts is not None:
        return {"parts": [part.decode(errors="surrogateescape") for part in parts]}
    return request.body.decode(errors="surrogateescape")


def _compare(path: str, recorded: object, requested: object) -> Iterator[Difference]:
    match recorded, requested:
        case dict(), dict():
            yield from _compare_objects(path, recorded, requested)
        case list(), list():
            yield from _compare_lists(path, recorded, requested)
        case str(), str() if max(len(recorded), len(requested)) > SHOWN_CHARS:
            if recorded != requested:
                at = common_length(recorded, requested)
                yield Difference(
                    path or "body",
                    _show_text(recorded, at),
                    _show_text(requested, at),
                    f"differs at character {at}",
                )
        case _:
            if not _is_same(recorded, requested):
                yield Difference(path or "body", _show(recorded), _show(requested))


def _compare_objects(
    path: str, recorded: dict[str, object], requested: dict[str, object]
) -> Iterator[Difference]:
    both = {**recorded, **requested}
    for key in sorted(both, key=lambda key: isinstance(both[key], (dict, list))):
        inner = _member(path, key)
        if key not in recorded:
            yield Difference(inner, "", _show(requested[key]))
        elif key not in requested:
            yield Difference(inner, _show(recorded[key]), "")
        else:
            yield from _compare(inner, recorded[key], requested[key])


def _compare_lists(
    path: str, recorded: list[object], requested: list[object]
) -> Iterator[Difference]:
    start = _same_items(recorded, requested)
    end = _same_items(reversed(recorded[start:]), reversed(requested[start:]))
    old = recorded[start : len(recorded) - end]
    new = requested[start : len(requested) - end]
    if _is_reordered(old, new):
        note = f"in another order from item {start}"
        yield Difference(path or "body", _show(old[0]), _show(new[0]), note)
        return
    for index in range(max(len(old), len(new))):
        inner = f"{path or 'body'}[{start + index}]"
        if index >= len(old):
            yield Difference(inner, "", _show(new[index]))
        elif index >= len(new):
            yield Difference(inner, _show(old[index]), "")
        else:
            yield from _compare(inner, old[index], new[index])


def _same_items(a: Iterable[object], b: Iterable[object]) -> int:
    pairs = zip(a, b, strict=False)
    return sum(1 for _ in takewhile(lambda pair: _is_same(*pair), pairs))


def _is_same(a: object, b: object) -> bool:
    # For Python true is 1, at any depth; in JSON it isn't.
    return a == b and canonical_json(a) == canonical_json(b)


def _is_reordered(old: list[object], new: list[object]) -> bool:
    # The cheap conditions save most lists from being written out.
    return (
        len(old) == len(new) > 1
        and old[0] in new
        and sorted(map(canonical_json, old)) == sorted(map(canonical_json, new))
    )


def common_length(a: str, b: str) -> int:
    """
    Return how many characters are equal from the start, in linear time.
    """
    low, high = 0, min(len(a), len(b))
    while low < high:
        # Of slices Python compares memory, which beats a loop over characters.
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _member(path: str, key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{_show_text(key)}]"


def _show(value: object) -> str:
    """
    Return a value on one short line; of objects and arrays only what tells them.
    """
    match value:
        case str():
            return _show_text(value)
        case dict():
            telling = [
                f"{key} {_show(value[key])}"
                for key in _TELLING_KEYS
                if key in value and not isinstance(value[key], dict)
            ]
            return ", ".join(telling) or f"{{{count_of(len(value), 'key')}}}"
        case list():
            return f"[{count_of(len(value), 'item')}]"
        case _:
            return json.dumps(value)[:SHOWN_CHARS]


def _show_text(text: str, at: int = 0) -> str:
    """
    Quote the part of a text around a position, with an ellipsis at each cut.
    """
    start = max(0, at - _CHARS_BEFORE)
    end = start + SHOWN_CHARS
    quoted = repr(text[start:end])
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    return f"{quoted[0]}{before}{quoted[1:-1]}{after}{quoted[-1]}"


def count_of(number: int, noun: str) -> str:
    """
    Write a number with its noun.

    Args:
        noun: In the singular, of those that take an s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
