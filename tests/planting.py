"""
Keys to plant where none may be found again, and the search for what is left of them.

None of them is one: they are made of chance, in the shapes that keys have.
"""

from __future__ import annotations

import base64
import contextlib
import string
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import quote

_LETTERS: Final = string.ascii_letters + string.digits
_URL_LETTERS: Final = _LETTERS + "_"
_LOOKED_FOR_CHARS: Final = 16

_GZIP_MAGIC: Final = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True)
class Planted:
    """A key, and the parts of it that are secret."""

    text: str
    secrets: tuple[str, ...]
    """Without the public word that it begins with, and without line ends."""

    def shown_in(self, text: str, *, size: int) -> bool:
        """Whether as many characters in a row of what is secret stand in a text."""
        return any(
            secret[start : start + size] in text
            for secret in self.secrets
            for start in range(len(secret) - size + 1)
        )


def _run(dice: Random, size: int, letters: str = _LETTERS) -> str:
    return "".join(dice.choices(letters, k=size))


def _plain(
    word: str, size: int, letters: str = _LETTERS
) -> Callable[[Random], Planted]:
    def make(dice: Random) -> Planted:
        secret = _run(dice, size, letters)
        return Planted(word + secret, (secret,))

    return make


def _anthropic(dice: Random) -> Planted:
    secret = _run(dice, 92, _URL_LETTERS + "-") + "7AA"
    return Planted(f"sk-ant-api03-{secret}", (secret,))


def _token(dice: Random) -> Planted:
    parts = (_run(dice, 30), _run(dice, 60), _run(dice, 43, _URL_LETTERS))
    head, claims, signature = parts
    return Planted(f"eyJ{head}.eyJ{claims}.{signature}", parts)


def _private_key(dice: Random) -> Planted:
    lines = tuple(_run(dice, 64, _LETTERS + "+/") for _ in range(4))
    body = "\n".join(lines)
    return Planted(
        f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----",
        lines,
    )


def _bearer(dice: Random) -> Planted:
    secret = f"{_run(dice, 8)}7{_run(dice, 30, _LETTERS + '._~+/-')}Q"
    return Planted(f"Bearer {secret}", (secret,))


KEYS: Final[dict[str, Callable[[Random], Planted]]] = {
    "anthropic": _anthropic,
    "openai": _plain("sk-", 48),
    "openai-project": _plain("sk-proj-", 60, _URL_LETTERS),
    "aws-id": _plain("AKIA", 16, string.ascii_uppercase),
    "github": _plain("ghp_", 36),
    "github-fine": _plain("github_pat_", 60, _URL_LETTERS),
    "google": _plain("AIza", 35),
    "slack": _plain("xoxb-", 40),
    "stripe": _plain("sk_live_", 24),
    "token": _token,
    "private-key": _private_key,
    "bearer": _bearer,
    "aws-signature": _plain("X-Amz-Signature=", 64, "0123456789abcdef"),
}
"""By their kind; each can be told by its looks."""


def spellings(secret: str) -> dict[bytes, str]:
    """
    Return pieces of a secret in all encodings that are looked for, each with its name.

    Pieces, because a part of a key is too much. They tell it for sure.
    """
    raw = secret.encode()
    found: dict[bytes, str] = {}
    for start in range(0, len(raw) - _LOOKED_FOR_CHARS + 1, 4):
        piece = raw[start : start + _LOOKED_FOR_CHARS]
        found[piece] = "raw"
        found[piece[::-1]] = "reversed"
        found[piece.hex().encode()] = "hex"
        found[piece.hex().upper().encode()] = "hex"
        in_url = quote(piece, safe="")
        found[in_url.encode()] = "url"
        for before in range(3):
            inner = base64.b64encode(bytes(before) + piece)[4:-4]
            found[inner] = "base64"
            found[base64.urlsafe_b64encode(bytes(before) + piece)[4:-4]] = "base64"
    return found


def find_leaks_in(data: bytes, secret: str) -> set[str]:
    """Name the encodings in which a part of a secret stands in some bytes."""
    looked_at = [(data, ""), *((each, "gzip, ") for each in _unpacked(data))]
    return {
        before + name
        for raw, before in looked_at
        for piece, name in spellings(secret).items()
        if piece in raw
    }


def find_leaks_under(folder: Path, secret: str) -> set[str]:
    """Name where in the files of a folder and their names a part of a secret stands."""
    found: set[str] = set()
    for path in folder.rglob("*"):
        said = str(path.relative_to(folder)).encode(errors="surrogateescape")
        data = path.read_bytes() if path.is_file() else b""
        for where, raw in (("name", said), (path.suffix, data)):
            found |= {f"{where}: {name}" for name in find_leaks_in(raw, secret)}
    return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what is compressed in some bytes, as far as it can be read."""
    start = data.find(_GZIP_MAGIC)
    while start >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(data[start:])
        start = data.find(_GZIP_MAGIC, start + 1)


def in_pieces(text: str, dice: Random) -> list[str]:
    """Cut a text into pieces of random lengths, sometimes of one character each."""
    longest = dice.choice([1, 2, 3, 5, 9, 30])
    pieces = []
    at = 0
    while at < len(text):
        size = dice.randint(0 if longest > 2 else 1, longest)
        pieces.append(text[at : at + size])
        at += size
    return pieces
