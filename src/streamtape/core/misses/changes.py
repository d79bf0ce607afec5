"""
One place where two requests differ, and how that place is written.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    pass

_KEY_CHARS: Final = 80
"""How much of a key is shown; one that is cut can't be given to ``ignore``."""
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Location: TypeAlias = tuple[int | str, ...]
"""Keys and indexes from the top of a body."""


class Side(StrEnum):
    """
    Which part of a request a change is in; body apart, their names are shown.
    """

    METHOD = "method"
    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    KIND = "kind"
    """Of the body: how it was read."""
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One place where two requests differ, with the values as they are.
    """

    side: Side
    place: Location = ()
    """Keys and indexes from the top of the body; of others the name alone, if any."""
    recorded: tuple[Any, ...]
    """The value, or empty where the recorded request has none."""
    requested: tuple[Any, ...]
    """The value, or empty where the new request has none."""
    note: str = ""
    """How they differ, where the two values don't tell."""

    @property
    def path(self) -> str:
        """
        Where it is, as ``ignore`` takes it if it can be ignored.
        """
        match self.side:
            case Side.QUERY:
                return "?" + _printable(str(self.place[0])[:_KEY_CHARS])
            case Side.HEADER:
                return f"header {self.place[0]}"
            case Side.BODY:
                path = write_path(self.place, key_chars=_KEY_CHARS)
                return f"$.{path}" if path in list(Side) else path
            case Side.KIND:
                return "body"
            case _:
                return self.side.value


def write_path(
    place: Location, *, key_chars: int | None = None, is_general: bool = False
) -> str:
    """
    Write a place in a body as a JSON path, RFC 9535, whose root is left out.

    Args:
        key_chars: Cut longer keys, with an ellipsis; None for never.
        is_general: Write ``[*]`` for every index.
    """
    path = ""
    for step in place:
        if isinstance(step, int):
            path += "[*]" if is_general else f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step) and len(step) <= (key_chars or len(step)):
            path += f".{step}" if path else step
        else:
            cut = step if key_chars is None else step[:key_chars]
            path += f"['{_escape(cut)}{'…' if cut != step else ''}']"
    return path if path and not path.startswith("[") else f"${path}"


def _escape(text: str) -> str:
    """
    Escape what a quoted name of a JSON path can't take as it is.
    """
    return _printable(text.replace("\\", r"\\").replace("'", r"\'"))


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else json.dumps(char)[1:-1] for char in text
    )
