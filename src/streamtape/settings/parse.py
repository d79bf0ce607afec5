"""
One value of a setting: what it may be in TOML and in Python, and as text.

The text of a flag or of the environment becomes what it would be in TOML, so that a
value is judged in one place, however it came.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from streamtape.core.matching.rules import Rules
from streamtape.core.pacing import INSTANT, parse_speed

LONGEST_S: Final = 1_000_000
"""Longest time that can be set, eleven days; endless ones overflow."""

_PORTS: Final = range(65536)
_SHOWN_CHARS: Final = 80


class UnfitError(Exception):
    """
    A value is not what was expected.

    Args:
        got: The value.
        place: Where in it, after its description; empty for all of it.
    """

    def __init__(self, got: object, place: str = "") -> None:
        super().__init__(describe(got) + place)


def describe(value: object) -> str:
    """Say what a value is, in a few words that repeat no list or table."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            shown = repr(value)
            is_short = len(shown) <= _SHOWN_CHARS
            return shown if is_short else f"{shown[:_SHOWN_CHARS]}…"
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


def read_url(value: object) -> str:
    """Take any text; whether it can be an upstream is the server's to say."""
    if not isinstance(value, str) or not value:
        raise UnfitError(value)
    return value


def read_folder(value: object) -> Path:
    """Take a path that the system can look up, whether or not it is there."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise UnfitError(value)
    return Path(value)


def read_port(value: object) -> int:
    """Take the number of a port; 0 stands for a free one."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in _PORTS:
        raise UnfitError(value)
    return value


def read_address(value: object) -> str:
    """Take an IP address, and no name of a host."""
    if not isinstance(value, str):
        raise UnfitError(value)
    try:
        return str(ip_address(value))
    except ValueError as error:
        raise UnfitError(value) from error


def read_speed(value: object) -> float:
    """Take a number, or what :func:`parse_speed` reads."""
    match value:
        case bool():
            raise UnfitError(value)
        case float() if value == INSTANT:
            return INSTANT
        case int() | float() | str():
            return parse_speed(str(value))
        case _:
            raise UnfitError(value)


def read_seconds(value: object) -> int:
    """Take a time in seconds that is neither negative nor endless, and return ns."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(value)
    if not 0 <= value <= LONGEST_S:
        raise UnfitError(value)
    return round(value * 1e9)


def show_seconds(value_ns: object) -> object:
    """Return what :func:`read_seconds` takes for a time in ns."""
    return value_ns / 1e9 if isinstance(value_ns, int) else value_ns


def show_speed(value: object) -> object:
    """Return what :func:`read_speed` takes, as JSON can have it."""
    return "instant" if value == INSTANT else value


def show(value: object) -> object:
    """Return a value as JSON and TOML have it."""
    match value:
        case Path():
            return str(value)
        case tuple():
            return [show(item) for item in value]
        case _:
            return value


def read_bool(value: object) -> bool:
    """Take true or false, and no number for it."""
    if not isinstance(value, bool):
        raise UnfitError(value)
    return value


def read_member(choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    """Return a reader of one of the values of an enum."""

    def read(value: object) -> StrEnum:
        if not isinstance(value, str) or value not in list(choices):
            raise UnfitError(value)
        return choices(value)

    return read


def read_ignore(value: object) -> tuple[str, ...]:
    """Take a list of JSON paths."""
    return Rules(ignore=_read_texts(value)).ignore


def read_headers(value: object) -> tuple[str, ...]:
    """Take a list of names of headers."""
    return Rules(headers=_read_texts(value)).headers


def read_replace(value: object) -> tuple[tuple[str, str], ...]:
    """Take a list of pairs of a pattern and a text."""
    pairs: list[tuple[str, str]] = []
    for item in _items(value):
        match item:
            case (str(pattern), str(text)):
                pairs.append((pattern, text))
            case _:
                raise UnfitError(item, " in it")
    return Rules(replace=tuple(pairs)).replace


def _read_texts(value: object) -> tuple[str, ...]:
    texts: list[str] = []
    for item in _items(value):
        if not isinstance(item, str):
            raise UnfitError(item, " in it")
        texts.append(item)
    return tuple(texts)


def _items(value: object) -> list[object] | tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise UnfitError(value)
    return value


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
    """Return what a word such as ``on`` or ``0`` stands for, or the text itself."""
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
