"""
Which recorded requests are worth to be compared with one that nothing answers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from streamtape.core.matching.names import slug, user_slugs
from streamtape.core.misses.differences import common_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamtape.core.matching.key import Matched

COMPARED_BYTES: Final = 8 * 1024 * 1024
"""Files of this size in sum can be read and compared while a client waits."""
_LEAST_COMPARED: Final = 4
_KEY_IN_STEM: Final = re.compile(r"-[0-9a-f]{8}")


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


def choose_candidates(
    seen: Matched, known: Sequence[C], *, body_bytes: int
) -> Sequence[C]:
    """
    Return those that are worth to be compared, as their names tell.

    They are all of a library up to 8 MB, in any order, and no more than that of a
    larger one, but at least 4. First are those that are named by the last text that
    the user wrote, then by earlier ones, as earlier turns of the conversation are;
    then those with the names most alike, and of these those of about the same size.

    Args:
        body_bytes: Size of the request's body. The calls of an agent's loop have one
            name, and each is larger than the one before.
    """
    if sum(candidate.size_bytes for candidate in known) <= COMPARED_BYTES:
        return known
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
        if size_bytes > COMPARED_BYTES and len(chosen) >= _LEAST_COMPARED:
            break
        chosen.append(candidate)
    return chosen
