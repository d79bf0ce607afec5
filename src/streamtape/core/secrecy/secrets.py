"""
Secrets that this process has seen: they are known exactly, whatever they look like.

What a client sends as its key is kept out of every cassette and log from then on,
in each spelling in which it could come back: as it is, in JSON, in a URL, in hex
and in base64. They are remembered for the process, not for one server: a key is
one wherever it turns up. They never reach a disk, nor does a digest of one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from streamtape.core.model import Request
from streamtape.core.secrecy.known_keys import OPENERS, has_long_run

SECRET_NAME: Final = re.compile(
    r"key|token|secret|sig|auth|pass|credential|cookie|session|jwt", re.IGNORECASE
)
"""Names of headers and parameters whose values are nobody's business."""

_HEADERS: Final = re.compile(
    r"(?:proxy-)?authorization|cookie|x-amz-(?!date|target).+"
    r"|.*(?:api-?key|token|secret)",
    re.IGNORECASE,
)

_VARIABLES: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")

_SHORTEST_CHARS: Final = 8
_SURE_CHARS: Final = 20
"""From this length on a value needs no digit to be taken for a secret."""
_LONGEST_CHARS: Final = 4096
_SHORTEST_COOKIE_CHARS: Final = 16
"""What is shorter tells a page its colours, or a day: a text may hold it by chance."""
_MOST_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class _Remembered:
    spellings: tuple[bytes, ...]
    """Of what is remembered, longest first; none is empty."""
    has_run: bool
    """Whether each of them has a run that :func:`has_long_run` finds."""


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What is looked for, made anew whenever a secret is remembered.
    """

    secrets: tuple[_Remembered, ...] = ()
    has_short: bool = False
    """Whether one is found where there is no long run."""
    beginnings: re.Pattern[bytes] = re.compile(OPENERS)
    """Finds the first bytes of every spelling, and the words of known kinds of keys."""


_remembered: dict[str, _Remembered] = {}
"""The oldest first."""

_known = _Known()


HEAD_BYTES: Final = 4
"""How much of a secret has to be there before it is taken for the beginning of one."""


def remember_secret(value: str) -> None:
    """
    Keep a value out of everything that is written from now on.

    Passed over are values that are no secrets but words, which a redactor would
    take out of people's texts: those of less than 8 characters, and those of less
    than 20 that have no digit. The 64 that were seen last are remembered.
    """
    known = _remembered.pop(value, None)
    is_new = known is None
    if known is None:
        is_word = len(value) < _SURE_CHARS and not re.search(r"\d", value)
        if not _SHORTEST_CHARS <= len(value) <= _LONGEST_CHARS or is_word:
            return
        spellings = _spell(value)
        known = _Remembered(spellings, all(map(has_long_run, spellings)))
    _remembered[value] = known
    if is_new:
        for oldest in list(_remembered)[:-_MOST_REMEMBERED]:
            _remembered.pop(oldest, None)
        _renew()


def remember_request(request: Request) -> None:
    """
    Remember the keys that a request carries in its headers and its query.
    """
    for name, value in request.headers:
        if _HEADERS.fullmatch(name):
            _remember_header(name.lower(), value)
    _, mark, query = request.target.partition("?")
    if mark:
        for name, value in parse_qsl(query):
            if SECRET_NAME.search(name):
                remember_secret(value)


def remember_environment(environ: Mapping[str, str]) -> None:
    """
    Remember the keys with which the SDK of this environment would ask.
    """
    for name in _VARIABLES:
        remember_secret(environ.get(name, ""))


def remembered_values() -> list[str]:
    """
    Return what is remembered as it was said, for those who spell it in their own way.
    """
    return list(_remembered)


def forget_secrets() -> None:
    """
    Forget all of them. For tests: a process has no reason to.
    """
    _remembered.clear()
    _renew()


def remembered_in(raw: bytes, *, has_run: bool) -> list[bytes]:
    """
    Return the spellings of secrets that stand in some bytes, longest first.

    Args:
        has_run: Whether :func:`has_long_run` holds for the bytes.
    """
    known = _known
    if not (has_run or known.has_short):
        return []
    found: list[bytes] = []
    for secret in known.secrets:
        found += [each for each in secret.spellings if each in raw]
    return sorted(found, key=len, reverse=True) if found else found


def may_begin_in(text: bytes, start: int) -> bool:
    """
    Whether the first bytes of a secret stand in a text, from a place on, or the word
    with which a known kind of key begins.
    """
    return _known.beginnings.search(text, start) is not None


def find_unfinished(text: bytes, *, shortest: int = HEAD_BYTES) -> int | None:
    """
    Return where the bytes end in the beginning of a secret, or None.

    Args:
        shortest: How many bytes of it have to be there.
    """
    found = len(text)
    for secret in _known.secrets:
        for spelling in secret.spellings:
            # What begins before that is there whole, or is none.
            earliest = max(0, len(text) - len(spelling) + 1)
            start = text.find(spelling[:shortest], earliest)
            while 0 <= start < found:
                if spelling.startswith(text[start:]):
                    found = start
                start = text.find(spelling[:shortest], start + 1)
    return found if found < len(text) else None


def _renew() -> None:
    """
    Make what is looked for anew; right also if another thread does at this moment.
    """
    global _known
    while True:
        secrets = tuple(_remembered.values())
        heads = {each[:HEAD_BYTES] for secret in secrets for each in secret.spellings}
        beginnings = b"|".join([OPENERS, *map(re.escape, sorted(heads))])
        _known = _Known(
            secrets=secrets,
            has_short=not all(secret.has_run for secret in secrets),
            beginnings=re.compile(beginnings),
        )
        if secrets == tuple(_remembered.values()):
            return


def _remember_header(lower: str, value: str) -> None:
    if lower == "cookie":
        for pair in value.split(";"):
            crumb = pair.partition("=")[2].strip()
            if len(crumb) >= _SHORTEST_COOKIE_CHARS:
                remember_secret(crumb)
    elif lower.endswith("authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        remember_secret(credentials.strip() or scheme)
        if scheme.lower() == "basic":
            _remember_basic(credentials)
    else:
        remember_secret(value.strip())


def _remember_basic(credentials: str) -> None:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    remember_secret(decoded.partition(":")[2])


def _spell(value: str) -> tuple[bytes, ...]:
    raw = value.encode(errors="surrogateescape")
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
    for before in range(3):
        # Base64 of a longer text that holds it at any place: but for the characters
        # at its edges, which say something of its neighbours too.
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        inner = encoded[start:end]
        spellings |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return tuple(sorted(spellings, key=len, reverse=True))
