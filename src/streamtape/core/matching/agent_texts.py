"""
What agents tell the model about the machine, replaced by what it is in every run.

The folder, the home, the day: a request itself says what they were.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Row: TypeAlias = tuple[str, re.Pattern[str], str]
"""
A text that has to be there, which is found far faster than what it is a part of,
then what is replaced, and by what.
"""

_FOLDER: Final = re.compile(
    r"^(?: - )?(?:Primary w|W)orking directory: (/.*|[A-Za-z]:\\.*)", re.MULTILINE
)
_MEMORY: Final = re.compile(r"`([^`\n]+)[/\\]projects[/\\]([^`/\\\n]+)[/\\]memory")
"""
The agent's own folder, mostly ``.claude`` in the home, and the project's folder as
the agent spells it in names of its own.
"""
_SHORTEST_PATH: Final = 4
"""A shorter one, such as a single slash, is part of too much else."""

IN_EVERY_RUN: Final[tuple[Row, ...]] = (
    (
        "x-anthropic-billing-header",
        re.compile(r"^x-anthropic-billing-header: .*", re.MULTILINE),
        "<billing>",
    ),
    (
        "Today's date is",
        re.compile(r"Today's date is (now )?\d{4}-\d\d-\d\d"),
        r"Today's date is \1<date>",
    ),
    (
        "orking directory: ",
        re.compile(r"^( - )?((?:Primary w|W)orking directory: ).*", re.MULTILINE),
        r"\1\2<folder>",
    ),
    ("memory", _MEMORY, "`<memory>"),
    (
        # It may be of a folder further up.
        "Contents of ",
        re.compile(r"^Contents of .*[/\\]([^/\\\n]+ \()", re.MULTILINE),
        r"Contents of <folder>/\1",
    ),
    (
        " - Is a git repository: ",
        re.compile(r"^ - Is a git repository: .*", re.MULTILINE),
        " - <git>",
    ),
    (
        "OS Version: ",
        re.compile(r"^ - (Platform|Shell|OS Version): .*", re.MULTILINE),
        r" - \1: <os>",
    ),
)


def named_paths(body: dict[str, Any]) -> list[Row]:
    """
    Return what to replace of the folders that this request itself names.
    """
    folder = memory = None
    # The user may name others.
    by_agent = [body.get("system")]
    if isinstance(messages := body.get("messages"), list):
        by_agent += [each for each in messages if _is_by_agent(each)]
    for text in _texts_in(by_agent):
        folder = folder or _FOLDER.search(text)
        memory = memory or _MEMORY.search(text)
        if folder and memory:
            break
    config, slug = memory.groups() if memory else ("", "")
    # Of equal paths the last one counts: some work in their home.
    named = {
        re.sub(r"[/\\]\.claude$", "", config): "<home>",
        folder[1].rstrip() if folder else "": "<folder>",
        slug: "<folder>",
        config: "<config>",
    }
    # The longest first, since each may lie in another one, the home in the folder too.
    return [
        (path, _path_pattern(path), named[path])
        for path in sorted(named, key=len, reverse=True)
        if len(path) >= _SHORTEST_PATH
    ]


def replace_rows(text: str, rows: Iterable[Row]) -> str:
    for needle, pattern, instead in rows:
        if needle in text:
            text = pattern.sub(instead, text)
    return text


def _path_pattern(path: str) -> re.Pattern[str]:
    """
    Return what finds a path where it isn't a part of a longer name.
    """
    # Checked behind it, because a pattern that begins with a text is searched fast.
    literal = re.escape(path)
    return re.compile(rf"{literal}(?<![\w.~-]{literal})(?![\w-]|\.\w)")


def _is_by_agent(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "system"


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts_in(item)
        case dict():
            for item in value.values():
                yield from _texts_in(item)
