"""
Where two requests differ, place by place, and how that is said in the API's terms.

Only what the match key sees is compared. Every value is shown cut, with control
characters escaped.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamtape.core.matching.body import BodyKind
from streamtape.core.matching.key import canonical_json
from streamtape.core.redaction.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamtape.core.matching.key import MatchInput
    from streamtape.core.redaction.secrets import Secrets


def find_changes(recorded: MatchInput, requested: MatchInput) -> Iterator[Change]:
    """
    Yield the places where two requests differ, as they are found.

    First come method, path, query and headers, then the body, and in an object
    scalars before arrays and objects. Items put into a list at one place, or taken
    out there, are one change each, and not a change of all that follow. The work is
    linear in the size of the bodies.
    """
    for side, old, new in (
        (Side.METHOD, recorded.method, requested.method),
        (Side.PATH, recorded.path, requested.path),
    ):
        yield from _compare(side, (), old, new)
    yield from _compare(Side.QUERY, (), _query(recorded), _query(requested))
    yield from _compare(Side.HEADER, (), _headers(recorded), _headers(requested))
    if recorded.kind is not requested.kind:
        kinds = recorded.kind, requested.kind
        yield Change(side=Side.KIND, recorded=kinds[:1], requested=kinds[1:])
    yield from _compare(Side.BODY, (), *_bodies(recorded.body, requested.body))


def _bodies(recorded: Any, requested: Any) -> tuple[Any, Any]:
    match recorded, requested:
        case ({"stream": _}, {}) | ({}, {"stream": _}):
            # To the key, false is not there at all; people write it.
            without = {"stream": False}
            return {**without, **recorded}, {**without, **requested}
        case _:
            return recorded, requested


def _query(match_input: MatchInput) -> dict[str, object]:
    values: dict[str, list[str]] = {}
    for name, value in match_input.query:
        values.setdefault(name, []).append(value)
    return {name: all_[0] if len(all_) == 1 else all_ for name, all_ in values.items()}


def _headers(match_input: MatchInput) -> dict[str, object]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in match_input.headers.items()
        if value
    }


def _compare(
    side: Side, place: Location, recorded: object, requested: object
) -> Iterator[Change]:
    match recorded, requested:
        case dict(), dict():
            yield from _compare_objects(side, place, recorded, requested)
        case list(), list():
            yield from _compare_lists(side, place, recorded, requested)
        case _:
            if not _is_same(recorded, requested):
                yield Change(
                    side=side,
                    place=place,
                    recorded=(recorded,),
                    requested=(requested,),
                )


def _compare_objects(
    side: Side, place: Location, recorded: dict[str, Any], requested: dict[str, Any]
) -> Iterator[Change]:
    both = {**recorded, **requested}
    for key in sorted(both, key=lambda key: isinstance(both[key], (dict, list))):
        inner = (*place, key)
        if key in recorded and key in requested:
            yield from _compare(side, inner, recorded[key], requested[key])
        else:
            yield Change(
                side=side,
                place=inner,
                recorded=(recorded[key],) if key in recorded else (),
                requested=(requested[key],) if key in requested else (),
            )


def _compare_lists(
    side: Side, place: Location, recorded: list[Any], requested: list[Any]
) -> Iterator[Change]:
    start = _same_items(recorded, requested)
    end = _same_items(reversed(recorded[start:]), reversed(requested[start:]))
    old = recorded[start : len(recorded) - end]
    new = requested[start : len(requested) - end]
    if _is_reordered(old, new):
        yield Change(
            side=side,
            place=place,
            recorded=(old[0],),
            requested=(new[0],),
            note=f"in another order from item {start}",
        )
        return
    for index in range(max(len(old), len(new))):
        inner = (*place, start + index)
        if index < min(len(old), len(new)):
            yield from _compare(side, inner, old[index], new[index])
        else:
            left, right = (tuple(each[index : index + 1]) for each in (old, new))
            yield Change(side=side, place=inner, recorded=left, requested=right)


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


_KEY_CHARS: Final = 80
"""How much of a key is shown; one that is cut can't be given to ``ignore``."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Location: TypeAlias = tuple[int | str, ...]
"""Keys and indexes from the top of a body."""


class Side(StrEnum):
    """Which part of a request a change is in; body apart, their names are shown."""

    METHOD = "method"
    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    KIND = "kind"
    """Of the body: how it was read."""
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place where two requests differ, with the values as they are."""

    side: Side
    place: Location = ()
    """Keys and indexes from the top of the body; of others the name alone, if any."""
    recorded: tuple[Any, ...]
    """The value, or empty where the recorded request has none."""
    requested: tuple[Any, ...]
    """The value, or empty where the new request has none."""
    note: str = ""
    """How they differ, where the two values don't tell."""

    @property
    def path(self) -> str:
        """Where it is, as ``ignore`` takes it if it can be ignored."""
        match self.side:
            case Side.QUERY:
                return "?" + _printable(str(self.place[0])[:_KEY_CHARS])
            case Side.HEADER:
                return f"header {self.place[0]}"
            case Side.BODY:
                path = write_path(self.place, key_chars=_KEY_CHARS)
                return f"$.{path}" if path in list(Side) else path
            case Side.KIND:
                return "body"
            case _:
                return self.side.value


def write_path(
    place: Location, *, key_chars: int | None = None, is_general: bool = False
) -> str:
    """
    Write a place in a body as a JSON path, RFC 9535, whose root is left out.

    Args:
        key_chars: Cut longer keys, with an ellipsis; None for never.
        is_general: Write ``[*]`` for every index.
    """
    path = ""
    for step in place:
        if isinstance(step, int):
            path += "[*]" if is_general else f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step) and len(step) <= (key_chars or len(step)):
            path += f".{step}" if path else step
        else:
            cut = step if key_chars is None else step[:key_chars]
            path += f"['{_escape(cut)}{'…' if cut != step else ''}']"
    return path if path and not path.startswith("[") else f"${path}"


def _escape(text: str) -> str:
    """Escape what a quoted name of a JSON path can't take as it is."""
    return _printable(text.replace("\\", r"\\").replace("'", r"\'"))


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else json.dumps(char)[1:-1] for char in text
    )


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
    """One place where two requests differ, as told to people; as text, a line."""

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
        """Return it in the types of JSON."""
        return asdict(self)


def common_length(a: str, b: str) -> int:
    """Return how many characters are equal from the start, in linear time."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        # Of slices Python compares memory, which beats a loop over characters.
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def describe_change(change: Change, secrets: Secrets) -> Difference:
    """Return a change as it is shown to people."""
    match change:
        case Change(side=Side.KIND, recorded=(old,), requested=(new,)):
            shown = _KINDS[old], _KINDS[new]
            return _difference(change, *shown, secrets, note="was sent as")
        case Change(recorded=(str(old),), requested=(str(new),)) if (
            max(len(old), len(new)) > SHOWN_CHARS
        ):
            at = common_length(old, new)
            shown = _show_text(old, at), _show_text(new, at)
            return _difference(
                change, *shown, secrets, note=f"differs at character {at}"
            )
        case _:
            old, new = (
                _show(*value) if value else ""
                for value in (change.recorded, change.requested)
            )
            return _difference(change, old, new, secrets, note=change.note)


def _difference(
    change: Change, old: str, new: str, secrets: Secrets, *, note: str
) -> Difference:
    # The requests are redacted; this is for a secret that only shows once it is quoted.
    path, old, new = (clean_text(each, secrets) for each in (change.path, old, new))
    return Difference(path=path, recorded=old, requested=new, note=note)


def _show(value: object) -> str:
    """Return a value on one short line; of objects and arrays only what tells them."""
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
    """Quote the part of a text around a position, with an ellipsis at each cut."""
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
