"""
Secrets that were seen: they are known exactly, whatever they look like.

What a client sends as its key is kept out of every cassette and log from then on,
in each spelling in which it could come back: as it is, in JSON, in a URL, in hex
and in base64. One pattern finds any of them, and where one begins. Each server, and
each command, remembers its own. They never reach a disk, nor does a digest of one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from streamtape.core.messages.deltas import BACKSLASH
from streamtape.core.model import Request
from streamtape.core.redaction.rules import OPENERS, find_runs, has_long_run

_COMMON: Final = b" etaoinsrhldcumfpgwybvk,.\n'\"-"
"""The most frequent characters of prose, the first most of all."""


class Beginnings:
    """
    Finds where one of some words stands, by the rarest character of each.

    A search for their first ones would stop at every third letter of a text.

    Args:
        words: None is empty.
    """

    def __init__(self, words: Iterable[bytes]) -> None:
        around: dict[bytes, list[bytes]] = {}
        reach = 0
        for word in _without_longer(words):
            at = max(range(len(word)), key=lambda index: (_rarity(word[index]), index))
            reach = max(reach, len(word) - at - 1)
            before, after = word[:at], word[at + 1 :]
            # Its own character too, as what looks back stands after it.
            preceded = rb"(?<=%b)" % re.escape(word[: at + 1]) if before else b""
            around.setdefault(word[at : at + 1], []).append(preceded + re.escape(after))
        alternatives = (
            re.escape(rarest) + b"(?:" + b"|".join(rests) + b")"
            for rarest, rests in sorted(around.items())
        )
        self.search: Final = re.compile(b"|".join(alternatives)).search
        """Takes a text and from where on; what is found is within a word."""
        self.reach: Final = reach
        """From how far before a place one has to search for words that end after it."""


def _without_longer(words: Iterable[bytes]) -> list[bytes]:
    """Leave out words in which another one stands: that one is found."""
    kept: list[bytes] = []
    for word in sorted(set(words), key=lambda each: (len(each), each)):
        if not any(each in word for each in kept):
            kept.append(word)
    return kept


def _rarity(code: int) -> int:
    place = _COMMON.find(code)
    return len(_COMMON) if place < 0 else place


_LINE_FEED: Final = ord("\n")
_LINE_END: Final = re.compile(rb"(?:[\r\n]|\\{1,4}[nr])(?:\s|\\{1,4}[nrt])*+")
"""With what indents the next line; also as JSON, and JSON in JSON, writes it."""


def spell(value: str) -> tuple[bytes, ...]:
    """Return the spellings of a secret but those in base64, longest first."""
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
    """Return the bytes of a value as a header or the environment gives it."""
    return value.encode(errors="surrogateescape")


class OneLine:
    """A text without its line ends, and where all of it was: base64 comes in lines."""

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
        """Whether there was no line end."""
        return len(self._starts) == 1

    def was_at(self, place: int) -> int:
        """Return where a character was."""
        line = bisect_right(self._starts, place) - 1
        return self._were[line] + place - self._starts[line]


def _longest_first(spellings: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(spellings, key=len, reverse=True))


BEGINNING_BYTES: Final = 4
"""How much of a secret has to be there before it is taken for the beginning of one."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """A secret in each spelling in which it could come back."""

    spellings: tuple[bytes, ...]
    """Longest first; none is empty."""
    in_base64: tuple[bytes, ...]
    """Those of them that may be cut by line ends."""
    has_run: bool
    """Whether each of them has a run that :func:`has_long_run` finds."""

    @staticmethod
    def of(value: str) -> Spelled:
        """Spell a value that was seen in a header or the environment."""
        in_base64 = spell_in_base64(value)
        spellings = tuple(sorted({*spell(value), *in_base64}, key=len, reverse=True))
        return Spelled(spellings, in_base64, all(map(has_long_run, spellings)))


@dataclass(frozen=True, slots=True)
class KnownSecrets:
    """All secrets that are looked for; made anew whenever there is another one."""

    secrets: tuple[Spelled, ...]
    has_short: bool
    """Whether one is found where there is no long run."""
    beginnings: Beginnings
    """Of every spelling, and the words of the known rules: what has none is neither."""

    @staticmethod
    def of(secrets: tuple[Spelled, ...]) -> KnownSecrets:
        """Make ready to look for some secrets."""
        size = BEGINNING_BYTES
        begun = [each[:size] for secret in secrets for each in secret.spellings]
        # A line may end within the first bytes, and then it doesn't in the next ones.
        begun += [
            each[size : 2 * size] for secret in secrets for each in secret.in_base64
        ]
        has_short = not all(secret.has_run for secret in secrets)
        return KnownSecrets(secrets, has_short, Beginnings([*OPENERS, *begun]))

    def spellings_in(self, raw: bytes, *, has_run: bool) -> list[bytes]:
        """
        Return the spellings that stand in some bytes, longest first.

        Each is as it stands there, so one in base64 may have line ends in it.

        Args:
            has_run: Whether :func:`has_long_run` holds for the bytes.
        """
        if not self.secrets or not (has_run or self.has_short):
            return []
        found: list[bytes] = []
        for secret in self.secrets:
            found += [each for each in secret.spellings if raw.find(each) >= 0]
        if has_run and (_LINE_FEED in raw or BACKSLASH in raw):
            found += self._wrapped_in(find_runs(raw))
        return sorted(found, key=len, reverse=True) if found else found

    def find_unfinished(
        self, text: bytes, *, shortest: int = BEGINNING_BYTES
    ) -> int | None:
        """
        Return where the bytes end in the beginning of a secret, or None.

        Args:
            shortest: How many bytes of it have to be there.
        """
        spellings = [each for secret in self.secrets for each in secret.spellings]
        found = _find_unfinished(text, spellings, shortest)
        one_line = OneLine(text)
        if not one_line.is_one:
            in_base64 = [each for secret in self.secrets for each in secret.in_base64]
            start = _find_unfinished(one_line.text, in_base64, shortest)
            if start < len(one_line.text):
                found = min(found, one_line.was_at(start))
        return found if found < len(text) else None

    def _wrapped_in(self, raw: bytes) -> set[bytes]:
        """
        Return the spellings in base64 that stand in several lines, with their ends.
        """
        one_line = OneLine(raw)
        text = one_line.text
        found: set[bytes] = set()
        for secret in self.secrets:
            for spelling in secret.in_base64:
                start = text.find(spelling)
                while start >= 0:
                    end = start + len(spelling)
                    stands = raw[one_line.was_at(start) : one_line.was_at(end - 1) + 1]
                    if stands != spelling:
                        found.add(stands)
                    start = text.find(spelling, end)
        return found


def _find_unfinished(text: bytes, spellings: Iterable[bytes], shortest: int) -> int:
    """Return where the text ends in the beginning of a spelling, else its length."""
    found = len(text)
    for spelling in spellings:
        # What begins before that is there whole, or is none.
        earliest = max(0, len(text) - len(spelling) + 1)
        start = text.find(spelling[:shortest], earliest)
        while 0 <= start < found:
            if spelling.startswith(text[start:]):
                found = start
            start = text.find(spelling[:shortest], start + 1)
    return found


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
_MOST_SENT: Final = 64


class Secrets:
    """
    What one server, or one command, keeps out of cassettes and logs.

    A new one knows only what anybody can tell by its looks. Whoever redacts gets it
    as an argument and may look from any thread while more is remembered.
    """

    def __init__(self) -> None:
        self.known = KnownSecrets.of(())
        """What is looked for now; another object as soon as more is remembered."""
        self._own: dict[str, Spelled] = {}
        self._sent: dict[str, Spelled] = {}
        """What clients sent, the oldest first."""

    def add(self, value: str) -> None:
        """
        Keep a value out of everything that is written from now on; never forgotten.

        Passed over are values that are no secrets but words, which a redactor would
        take out of people's texts: those of less than 8 characters, and those of less
        than 20 that have no digit.
        """
        if value not in self._own and is_secret(value):
            self._own[value] = Spelled.of(value)
            self._sent.pop(value, None)
            self._renew()

    def remember_environment(self, environ: Mapping[str, str]) -> None:
        """Add what the SDK of this environment would send as its key."""
        for name in _VARIABLES:
            self.add(environ.get(name, ""))

    def remember_request(self, request: Request) -> None:
        """
        Remember the secrets that a request carries in its headers and its query.

        Of what clients sent the last 64 are kept.
        """
        for value in _secrets_in(request):
            known = self._sent.pop(value, None)
            if known is not None:
                self._sent[value] = known
            elif value not in self._own and is_secret(value):
                self._sent[value] = Spelled.of(value)
                for oldest in list(self._sent)[:-_MOST_SENT]:
                    self._sent.pop(oldest, None)
                self._renew()

    @property
    def values(self) -> list[str]:
        """
        What is remembered as it was said, for those who spell it in their own way.
        """
        return [*self._own, *self._sent]

    def _renew(self) -> None:
        # Right also if another thread does so at this moment.
        while True:
            secrets = (*self._own.values(), *self._sent.values())
            self.known = KnownSecrets.of(secrets)
            if secrets == (*self._own.values(), *self._sent.values()):
                return


def is_secret(value: str) -> bool:
    """Whether a value is one to be kept out, and no word; see :meth:`Secrets.add`."""
    is_word = len(value) < _SURE_CHARS and not re.search(r"\d", value)
    return _SHORTEST_CHARS <= len(value) <= _LONGEST_CHARS and not is_word


def _secrets_in(request: Request) -> Iterator[str]:
    for name, value in request.headers:
        if _HEADERS.fullmatch(name):
            yield from _secrets_in_header(name.lower(), value)
    _, mark, query = request.target.partition("?")
    if mark:
        for name, value in parse_qsl(query):
            if SECRET_NAME.search(name):
                yield value


def _secrets_in_header(lower: str, value: str) -> Iterator[str]:
    if lower == "cookie":
        for pair in value.split(";"):
            crumb = pair.partition("=")[2].strip()
            if len(crumb) >= _SHORTEST_COOKIE_CHARS:
                yield crumb
    elif lower.endswith("authorization"):
        scheme, _, credentials = value.strip().partition(" ")
        yield credentials.strip() or scheme
        if scheme.lower() == "basic":
            yield from _password_in(credentials)
    else:
        yield value.strip()


def _password_in(credentials: str) -> Iterator[str]:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield decoded.partition(":")[2]
