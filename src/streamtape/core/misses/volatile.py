"""
What differs in a text from run to run without saying anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamtape.core.matching.replacing import replace_texts
from streamtape.core.misses.differences import common_length

if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE: Final = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\d{4}-\d\d-\d\d", "<date>"),
    (r"(?:[A-Z][a-z]+day, )?[A-Z][a-z]{2,8} \d{1,2}, \d{4}", "<date>"),
    (r"\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b", "<time>"),
    (r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b", "<uuid>"),
    (
        r"\b(?:(?:srv|mcp)?toolu|msg|req|file|(?:msg)?batch|container|session)"
        r"_(?=[A-Za-z]*\d)[0-9A-Za-z]{16,}\b",
        "<id>",
    ),
    (
        r"(?:/tmp|/var/folders/\w+/\w+/T)/(?:[\w.+-]++(?=/)|[\w+-]++(?!\.\w))",
        "<tmp>",
    ),
    (r"(?<![\w/:.>])/(?:[\w.@+-]+/)+", "<folder>/"),
    (r"\b\d{9,}(?:\.\d+)?\b", "<number>"),
    (r"\b[0-9a-f]{12,}\b", "<hex>"),
)
"""
Patterns and what stands in for what they find, the more special ones first.

Of an absolute path the last part stays, of one to what is temporary if it has the
ending of a file: another file is another question. Each runs in linear time.
"""

_AROUND_CHARS: Final = 120
_MOST_CHARS: Final = 20_000
"""Texts that differ in more than this differ in more than a date or two."""

Replacements = tuple[tuple[str, str], ...]
Pair = tuple[str, str]


def find_replacements(pairs: Sequence[Pair]) -> Replacements | None:
    """
    Return the fewest replacements that make the two texts of every pair equal, or
    None if they differ in more than what changes from run to run.
    """
    windows = [_around_difference(*pair) for pair in pairs]
    if sum(len(a) + len(b) for a, b in windows) > 2 * _MOST_CHARS:
        return None
    for row in _TABLE:
        if _are_equal(windows, (row,)):
            return (row,)
    needed: Replacements = _TABLE
    if not _are_equal(windows, needed):
        return None
    for row in _TABLE:
        fewer = tuple(each for each in needed if each != row)
        if _are_equal(windows, fewer):
            needed = fewer
    return needed


def _are_equal(pairs: Sequence[Pair], replacements: Replacements) -> bool:
    return all(
        replace_texts(a, replacements) == replace_texts(b, replacements)
        for a, b in pairs
    )


def _around_difference(a: str, b: str) -> Pair:
    """
    Return of both texts what differs, with so much around it that patterns find it.
    """
    start = common_length(a, b)
    end = common_length(a[start:][::-1], b[start:][::-1])
    start = max(0, start - _AROUND_CHARS)
    end = max(0, end - _AROUND_CHARS)
    return a[start : len(a) - end], b[start : len(b) - end]
