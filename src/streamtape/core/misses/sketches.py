"""
How alike two requests are, of which no more is kept than what tells that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from streamtape.core.matching.key import canonical_json
from streamtape.core.misses.differences import common_length

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamtape.core.matching.key import Matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """
    What tells how much a request is like another one; about as large as its body.
    """

    place: tuple[str, str]
    """Method and path."""
    stream: Any
    model: Any
    messages: tuple[str, ...]
    """Each written as JSON, without marks for the cache, its text as a block."""
    around: Mapping[str, object]
    """What else the key sees, but for the body's fields."""
    query: frozenset[tuple[str, str]]
    fields: Mapping[str, int]
    """The digest of each of the body's fields; of another body's, that of all."""


def sketch(seen: Matched) -> Sketch:
    """
    Return what tells how much a request is like others.
    """
    fields = seen.body if isinstance(seen.body, dict) else {"": seen.body}
    messages = fields.get("messages")
    return Sketch(
        place=(seen.method, seen.path),
        stream=fields.get("stream"),
        model=fields.get("model"),
        messages=tuple(
            canonical_json(_uncached(message))
            for message in (messages if isinstance(messages, list) else [])
        ),
        around={"": seen.kind, **seen.headers},
        query=frozenset(seen.query),
        fields={key: hash(canonical_json(value)) for key, value in fields.items()},
    )


def likeness(a: Sketch, b: Sketch) -> tuple[int, ...]:
    """
    Return what orders candidates first; more alike is greater.

    It is: same method and path, same ``stream``, same model, how many whole messages
    they have in common from the start, and how many characters of the first other
    one. Where a message is marked for the cache changes with every turn, and counts
    as no difference between messages.
    """
    pairs = list(zip(a.messages, b.messages, strict=False))
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return (
        a.place == b.place,
        a.stream == b.stream,
        a.model == b.model,
        common,
        common_length(*pairs[common]) if common < len(pairs) else 0,
    )


def likeness_around(a: Sketch, b: Sketch) -> tuple[int, ...]:
    """
    Return what orders those that are as alike as that; it takes longer.

    It is: minus the number of fields that differ, parameters and headers counted too,
    and minus the difference in the number of messages.
    """
    differing = (
        len(a.query ^ b.query)
        + _count_differing(a.around, b.around)
        + _count_differing(a.fields, b.fields)
    )
    return -differing, -abs(len(a.messages) - len(b.messages))


def _count_differing(a: Mapping[str, object], b: Mapping[str, object]) -> int:
    return sum(key not in a or key not in b or a[key] != b[key] for key in {**a, **b})


def _uncached(message: Any) -> Any:
    """
    Return a message without marks for the cache, its text as a block.
    """
    match message:
        case {"content": str(text)}:
            return {**message, "content": [{"type": "text", "text": text}]}
        case {"content": [*blocks]}:
            return {**message, "content": [_unmarked(block) for block in blocks]}
        case _:
            return message


def _unmarked(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {key: value for key, value in block.items() if key != "cache_control"}
