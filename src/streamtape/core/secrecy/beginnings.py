"""
One pattern that finds any of many words in a text, fast where none of them stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_COMMON: Final = b" etaoinsrhldcumfpgwybvk,.\n'\"-"
"""The most frequent characters of prose, the first most of all."""


class Beginnings:
    """
    Finds where one of some words stands, by the rarest character of each.

    A search for their first ones would stop at every third letter of a text.

    Args:
        words: None is empty.
    """

    def __init__(self, words: Iterable[bytes]) -> None:
        around: dict[bytes, list[bytes]] = {}
        reach = 0
        for word in _without_longer(words):
            at = max(range(len(word)), key=lambda index: (_rarity(word[index]), index))
            reach = max(reach, len(word) - at - 1)
            before, after = word[:at], word[at + 1 :]
            # Its own character too, as what looks back begins behind it.
            behind = rb"(?<=%b)" % re.escape(word[: at + 1]) if before else b""
            around.setdefault(word[at : at + 1], []).append(behind + re.escape(after))
        alternatives = (
            re.escape(rarest) + b"(?:" + b"|".join(rests) + b")"
            for rarest, rests in sorted(around.items())
        )
        self.search: Final = re.compile(b"|".join(alternatives)).search
        """Takes a text and from where on; what is found is within a word."""
        self.reach: Final = reach
        """From how far before a place one has to search for words that end behind."""


def _without_longer(words: Iterable[bytes]) -> list[bytes]:
    """
    Leave out words in which another one stands: that one is found.
    """
    kept: list[bytes] = []
    for word in sorted(set(words), key=lambda each: (len(each), each)):
        if not any(each in word for each in kept):
            kept.append(word)
    return kept


def _rarity(code: int) -> int:
    place = _COMMON.find(code)
    return len(_COMMON) if place < 0 else place
