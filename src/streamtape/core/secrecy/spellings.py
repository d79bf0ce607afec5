"""
How a secret may be written: as it is, in JSON, in a URL, in hex, and in base64.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

_LINE_END: Final = re.compile(rb"(?:[\r\n]|\\{1,4}[nr])(?:\s|\\{1,4}[nrt])*+")
"""With what indents the next line; also as JSON, and JSON in JSON, writes it."""


def spell(value: str) -> tuple[bytes, ...]:
    """
    Return the spellings of a secret but those in base64, longest first.
    """
    raw = encode(value)
    in_json = json.dumps(unquote(quote(raw)))[1:-1]
    in_url = quote(raw, safe="")
    spellings = {
        raw,
        raw[::-1],
        in_json.encode(),
        in_json.replace("/", "\\/").encode(),
        in_url.encode(),
        re.sub("%..", lambda found: found[0].lower(), in_url).encode(),
        quote(raw).encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }
    return _longest_first(spellings)


def spell_in_base64(value: str) -> tuple[bytes, ...]:
    """
    Return what base64 makes of a longer text that holds the secret, longest first.

    The secret may stand at any place of it. Without the characters at its edges,
    which say something of its neighbours too.
    """
    raw = encode(value)
    spellings: set[bytes] = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        inner = encoded[start:end]
        spellings |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return _longest_first(spellings)


def encode(value: str) -> bytes:
    """
    Return the bytes of a value as a header or the environment gives it.
    """
    return value.encode(errors="surrogateescape")


class OneLine:
    """
    A text without its line ends, and where all of it was: base64 comes in lines.
    """

    def __init__(self, text: bytes) -> None:
        kept: list[bytes] = []
        self._starts = [0]
        """Of the lines, in what is left."""
        self._were = [0]
        size = place = 0
        for match in _LINE_END.finditer(text):
            line = text[place : match.start()]
            kept.append(line)
            size += len(line)
            place = match.end()
            self._starts.append(size)
            self._were.append(place)
        kept.append(text[place:])
        self.text = b"".join(kept)

    @property
    def is_one(self) -> bool:
        """
        Whether there was no line end.
        """
        return len(self._starts) == 1

    def was_at(self, place: int) -> int:
        """
        Return where a character was.
        """
        line = bisect_right(self._starts, place) - 1
        return self._were[line] + place - self._starts[line]


def _longest_first(spellings: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(spellings, key=len, reverse=True))
