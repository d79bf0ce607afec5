"""
Which recorded request is most like one that nothing answers.

As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from streamtape.core.matching.key import Matched, canonical_json, matched
from streamtape.core.matching.names import slug, user_slugs
from streamtape.core.misses.differences import common_length
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.matching.rules import Rules
    from streamtape.core.model import Request

_COMPARED_BYTES: Final = 8 * 1024 * 1024
"""Files of this size in sum can be read and compared while a client waits."""
_LEAST_COMPARED: Final = 4
_KEY_IN_STEM: Final = re.compile(r"-[0-9a-f]{8}")

Likeness: TypeAlias = tuple[bool, bool, bool, int, int, int, int]


class Candidate(Protocol):
    """
    What is known of a cassette without opening it.
    """

    @property
    def name(self) -> str:
        """
        What people call it.
        """

    @property
    def stem(self) -> str:
        """
        The file's name without take and ending.
        """

    @property
    def size_bytes(self) -> int:
        """
        Of the file.
        """


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """
    The recorded request that is most like the asked one.
    """

    name: str
    """Of its cassette."""
    request: Request
    seen: Matched


def first_takes(known: Iterable[C]) -> list[C]:
    """
    Return a cassette for each recorded request.

    Args:
        known: Takes in their order.
    """
    first: dict[tuple[str, str], C] = {}
    for candidate in known:
        folder = candidate.name.rpartition("/")[0]
        first.setdefault((folder, candidate.stem), candidate)
    return list(first.values())


def choose_candidates(seen: Matched, known: Iterable[C], *, body_bytes: int) -> list[C]:
    """
    Return those that are worth to be compared, as their names tell.

    They are all of a library below 8 MB, and no more than that of a larger one, but
    at least 4. First are those that are named by the last text that the user wrote,
    then by earlier ones, as earlier turns of the conversation are; then those with
    the names most alike, and of these those of about the same size.

    Args:
        body_bytes: Size of the request's body. The calls of an agent's loop have one
            name, and each is larger than the one before.
    """
    ranks: dict[str, int] = {}
    for rank, words in enumerate(filter(None, user_slugs(seen))):
        ranks.setdefault(words, rank)
    own = slug(seen)

    def order(candidate: C) -> tuple[int, int, int, str]:
        words = _KEY_IN_STEM.sub("", candidate.stem)
        rank = ranks.get(words, len(ranks) + 1)
        larger_bytes = abs(candidate.size_bytes - body_bytes)
        return rank, -common_length(words, own), larger_bytes, candidate.name

    chosen: list[C] = []
    size_bytes = 0
    for candidate in sorted(known, key=order):
        size_bytes += candidate.size_bytes
        if size_bytes > _COMPARED_BYTES and len(chosen) >= _LEAST_COMPARED:
            break
        chosen.append(candidate)
    return chosen


def find_nearest(
    seen: Matched, candidates: Iterable[tuple[str, Request]], rules: Rules
) -> Nearest | None:
    """
    Return the candidate most like a request, of equals the first by name.

    Args:
        candidates: Names of cassettes with their requests. They are read one by
            one, and only the best is held.

    Returns:
        None if there are none, or none that the rules can be applied to.
    """
    best: tuple[Likeness, Nearest] | None = None
    for name, request in candidates:
        try:
            other = matched(request, rules)
        except UsageError:
            # A pattern takes too long on it; the miss has to be told all the same.
            continue
        found = similarity(seen, other), Nearest(name=name, request=request, seen=other)
        if best is None or _is_better(found, best):
            best = found
    return None if best is None else best[1]


def similarity(a: Matched, b: Matched) -> Likeness:
    """
    Return what orders candidates; more alike is greater.

    It is: same method and path, same ``stream``, same model, how many whole messages
    they have in common from the start, how many characters of the first other one,
    minus the number of fields that differ, parameters and headers counted too, and
    minus the difference in the number of messages. Where a message is marked for the
    cache changes with every turn, and counts as no difference between messages.
    """
    fields_a, fields_b = _fields(a), _fields(b)
    messages_a, messages_b = _messages(fields_a), _messages(fields_b)
    pairs = list(zip(messages_a, messages_b, strict=False))
    common = sum(1 for _ in takewhile(lambda pair: _says_the_same(*pair), pairs))
    within = 0
    if common < len(pairs):
        within = common_length(*(canonical_json(_uncached(m)) for m in pairs[common]))
    return (
        (a.method, a.path) == (b.method, b.path),
        fields_a.get("stream") == fields_b.get("stream"),
        fields_a.get("model") == fields_b.get("model"),
        common,
        within,
        -_differing(a, b) - _count_differing(fields_a, fields_b),
        -abs(len(messages_a) - len(messages_b)),
    )


def _is_better(found: tuple[Likeness, Nearest], best: tuple[Likeness, Nearest]) -> bool:
    if found[0] == best[0]:
        return found[1].name < best[1].name
    return found[0] > best[0]


def _differing(a: Matched, b: Matched) -> int:
    """
    Count what differs apart from the body's fields.
    """
    return (
        (a.kind is not b.kind)
        + len(set(a.query) ^ set(b.query))
        + _count_differing(a.headers, b.headers)
    )


def _count_differing(a: dict[str, Any], b: dict[str, Any]) -> int:
    return sum(key not in a or key not in b or a[key] != b[key] for key in {**a, **b})


def _says_the_same(a: Any, b: Any) -> bool:
    return bool(a == b or _uncached(a) == _uncached(b))


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


def _fields(seen: Matched) -> dict[str, Any]:
    return seen.body if isinstance(seen.body, dict) else {"": seen.body}


def _messages(fields: dict[str, Any]) -> list[Any]:
    messages = fields.get("messages")
    return messages if isinstance(messages, list) else []
