"""
Where the keys are in a text, and from where on it may be the beginning of one.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from streamtape.core.secrecy.known_keys import has_long_run, kinds_in
from streamtape.core.secrecy.secrets import find_unfinished, remembered_in

Span: TypeAlias = tuple[int, int]

_LONGEST_WHOLE_BYTES: Final = 8 * 1024
"""From here on a key of a known kind that goes on is not looked at as a whole."""


def find_keys(text: bytes) -> list[Span]:
    """
    Return where the keys are, in order; none overlaps another.
    """
    found: list[Span] = []
    spellings = remembered_in(text, has_run=has_long_run(text))
    if spellings:
        pattern = re.compile(b"|".join(map(re.escape, spellings)))
        found += [match.span() for match in pattern.finditer(text)]
    for kind in kinds_in(text):
        for match in kind.pattern.finditer(text):
            start = match.end(1) if match.lastindex else match.start()
            found.append((start, match.end()))
    return merge(found)


def find_unsure(text: bytes) -> int:
    """
    Return from where on the text may be the beginning of a key, its length if nowhere.

    The public word with which a key begins is not counted in.
    """
    unsure = len(text)
    for kind in kinds_in(text):
        match = kind.partial.search(text, partial=True)
        while match is not None and not match.partial:
            match = kind.partial.search(text, match.end(), partial=True)
        if match is None:
            continue
        public = kind.public.match(text, match.start())
        if public is not None:
            unsure = min(unsure, public.end())
    unfinished = find_unfinished(text)
    return unsure if unfinished is None else min(unsure, unfinished)


def may_be_key(text: bytes) -> bool:
    """
    Whether a text begins with a key of a known kind, or may be the beginning of one.
    """
    return any(
        kind.partial.match(text, partial=True) is not None for kind in kinds_in(text)
    )


def find_endless(text: bytes) -> list[re.Pattern[bytes]]:
    """
    Return how the key may go on that the text ends in, if that can be for ever.
    """
    if len(text) < _LONGEST_WHOLE_BYTES and find_unfinished(text) is not None:
        # One that is remembered may be longer, and of other characters.
        return []
    return [
        kind.more
        for kind in kinds_in(text)
        if kind.more is not None
        and any(found.end() == len(text) for found in kind.pattern.finditer(text))
    ]


def merge(spans: list[Span]) -> list[Span]:
    """
    Return spans in order, those that overlap made one.
    """
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
