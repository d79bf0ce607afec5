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
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from streamtape.core.model import Request
from streamtape.core.secrecy.beginnings import Beginnings
from streamtape.core.secrecy.remembered import HEAD_BYTES, Remembered, Spelled

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
_MOST_SEEN: Final = 64


_own: dict[str, Spelled] = {}
"""Those of this process: its token, and what its environment holds."""

_seen: dict[str, Spelled] = {}
"""Those that clients sent, the oldest first."""

_known = Remembered.of(())


def remember_secret(value: str) -> None:
    """
    Keep a value out of everything that is written from now on.

    For values of this process, which are never forgotten. Passed over are values that
    are no secrets but words, which a redactor would take out of people's texts: those
    of less than 8 characters, and those of less than 20 that have no digit.
    """
    if value not in _own and _is_secret(value):
        _own[value] = Spelled.of(value)
        _seen.pop(value, None)
        _renew()


def _remember_seen(value: str) -> None:
    """
    Remember a value that a client sent: the 64 that were sent last are.
    """
    known = _seen.pop(value, None)
    if known is not None:
        _seen[value] = known
    elif value not in _own and _is_secret(value):
        _seen[value] = Spelled.of(value)
        for oldest in list(_seen)[:-_MOST_SEEN]:
            _seen.pop(oldest, None)
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
                _remember_seen(value)


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
    return [*_own, *_seen]


def forget_secrets() -> None:
    """
    Forget all of them. For tests: a process has no reason to.
    """
    _own.clear()
    _seen.clear()
    _renew()


def remembered_in(raw: bytes, *, has_run: bool) -> list[bytes]:
    """
    Return the spellings of secrets that stand in some bytes, longest first.

    Each is as it stands there, so one in base64 may have line ends in it.

    Args:
        has_run: Whether :func:`has_long_run` holds for the bytes.
    """
    return _known.spellings_in(raw, has_run=has_run)


def get_beginnings() -> Beginnings:
    """
    Return what finds the first bytes of a secret, and the words with which known kinds
    of keys begin: where it finds nothing is neither.

    It is another one as soon as another secret is remembered.
    """
    return _known.beginnings


def find_unfinished(text: bytes, *, shortest: int = HEAD_BYTES) -> int | None:
    """
    Return where the bytes end in the beginning of a secret, or None.

    Args:
        shortest: How many bytes of it have to be there.
    """
    return _known.find_unfinished(text, shortest=shortest)


def _is_secret(value: str) -> bool:
    is_word = len(value) < _SURE_CHARS and not re.search(r"\d", value)
    return _SHORTEST_CHARS <= len(value) <= _LONGEST_CHARS and not is_word


def _renew() -> None:
    """
    Make what is looked for anew; right also if another thread does at this moment.
    """
    global _known
    while True:
        secrets = (*_own.values(), *_seen.values())
        _known = Remembered.of(secrets)
        if secrets == (*_own.values(), *_seen.values()):
            return


def _remember_header(lower: str, value: str) -> None:
    if lower == "cookie":
        for pair in value.split(";"):
            crumb = pair.partition("=")[2].strip()
            if len(crumb) >= _SHORTEST_COOKIE_CHARS:
                _remember_seen(crumb)
    elif lower.endswith("authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        _remember_seen(credentials.strip() or scheme)
        if scheme.lower() == "basic":
            _remember_basic(credentials)
    else:
        _remember_seen(value.strip())


def _remember_basic(credentials: str) -> None:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    _remember_seen(decoded.partition(":")[2])
