"""
What text stands for, of a flag or of the environment.

It becomes what it would be in TOML, so that a value is judged in one place, however
it came.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Final

_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def parse_number(kind: type[int] | type[float]) -> Callable[[str], object]:
    """
    Return what returns the number that a text stands for, or the text if it is none.
    """

    def parse(text: str) -> object:
        try:
            return kind(text)
        except ValueError:
            return text

    return parse


def parse_bool(text: str) -> object:
    """
    Return what a word such as ``on`` or ``0`` stands for, or the text itself.
    """
    return _WORDS.get(text.strip().lower(), text)


def parse_list(text: str) -> object:
    """
    Return the items of a TOML array, or those between the blanks of other text.

    Text that begins as an array and is none is returned as it is.
    """
    if not text.lstrip().startswith("["):
        return text.split()
    try:
        table = tomllib.loads(f"list = {text.strip()}")
    except (ValueError, RecursionError):
        return text
    return table["list"] if len(table) == 1 else text
