"""
Where what the key sees of two requests differs, place by place.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from streamtape.core.matching.key import canonical_json
from streamtape.core.misses.changes import Change, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamtape.core.matching.key import Matched
    from streamtape.core.misses.changes import Location


def find_changes(recorded: Matched, requested: Matched) -> Iterator[Change]:
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


def _query(seen: Matched) -> dict[str, object]:
    values: dict[str, list[str]] = {}
    for name, value in seen.query:
        values.setdefault(name, []).append(value)
    return {name: all_[0] if len(all_) == 1 else all_ for name, all_ in values.items()}


def _headers(seen: Matched) -> dict[str, object]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in seen.headers.items()
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
