"""
Where two requests differ, in the API's own terms.

Only what the match key sees is compared. Every value is shown cut, with control
characters escaped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from streamtape.core.matching.bodies import BodyKind
from streamtape.core.misses.changes import Change, Side
from streamtape.core.misses.comparing import find_changes
from streamtape.core.secrecy.redaction import clean_text

if TYPE_CHECKING:
    from streamtape.core.matching.key import Matched

SHOWN_CHARS: Final = 40
"""How much of one value is shown."""

_CHARS_BEFORE: Final = 15
"""How much of the text in common is shown before the first difference."""
_OBJECT_CHARS: Final = 3 * SHOWN_CHARS
_TELLING_KEYS: Final = ("type", "role", "name", "id", "text", "content")
_KINDS: Final = {
    BodyKind.JSON: "JSON",
    BodyKind.MULTIPART: "a form of parts",
    BodyKind.RAW: "plain bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    One place where two requests differ, as told to people; as text, a line.
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
        path = "body" if self.path == "$" else self.path
        if not self.recorded:
            return f"{path} added: {self.requested}"
        if not self.requested:
            return f"{path} missing: {self.recorded}"
        place = f"{path} {self.note}" if self.note else path
        return f"{place}: {self.recorded} / {self.requested}"

    def as_json(self) -> dict[str, str]:
        """
        Return it in the types of JSON.
        """
        return asdict(self)


def find_differences(
    recorded: Matched, requested: Matched, limit: int = 3
) -> list[Difference]:
    """
    Return the first differences, in the order of :func:`find_changes`.
    """
    return [
        _tell(change) for change in islice(find_changes(recorded, requested), limit)
    ]


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


def _tell(change: Change) -> Difference:
    match change:
        case Change(side=Side.KIND, recorded=(old,), requested=(new,)):
            shown = _KINDS[old], _KINDS[new]
            return _difference(change, *shown, note="was sent as")
        case Change(recorded=(str(old),), requested=(str(new),)) if (
            max(len(old), len(new)) > SHOWN_CHARS
        ):
            at = common_length(old, new)
            shown = _show_text(old, at), _show_text(new, at)
            return _difference(change, *shown, note=f"differs at character {at}")
        case _:
            old, new = (
                _show(*value) if value else ""
                for value in (change.recorded, change.requested)
            )
            return _difference(change, old, new, note=change.note)


def _difference(change: Change, old: str, new: str, *, note: str) -> Difference:
    # The requests are redacted; this is for a key that only shows once it is quoted.
    path, old, new = map(clean_text, (change.path, old, new))
    return Difference(path=path, recorded=old, requested=new, note=note)


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
            shown = ", ".join(telling) or f"{{{count_of(len(value), 'key')}}}"
            return shown if len(shown) <= _OBJECT_CHARS else shown[:_OBJECT_CHARS] + "…"
        case [dict(only)]:
            return f"[{_show(only)}]"
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
