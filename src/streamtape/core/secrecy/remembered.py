"""
Secrets that are known exactly: where they stand in some bytes, and where one begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from streamtape.core.secrecy.beginnings import Beginnings
from streamtape.core.secrecy.known_keys import OPENERS, find_runs, has_long_run
from streamtape.core.secrecy.spellings import OneLine, spell, spell_in_base64

HEAD_BYTES: Final = 4
"""How much of a secret has to be there before it is taken for the beginning of one."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """
    A secret in each spelling in which it could come back.
    """

    spellings: tuple[bytes, ...]
    """Longest first; none is empty."""
    in_base64: tuple[bytes, ...]
    """Those of them that may be cut by line ends."""
    has_run: bool
    """Whether each of them has a run that :func:`has_long_run` finds."""

    @staticmethod
    def of(value: str) -> Spelled:
        """
        Spell a value that was seen in a header or the environment.
        """
        in_base64 = spell_in_base64(value)
        spellings = tuple(sorted({*spell(value), *in_base64}, key=len, reverse=True))
        return Spelled(spellings, in_base64, all(map(has_long_run, spellings)))


@dataclass(frozen=True, slots=True)
class Remembered:
    """
    All secrets that are looked for; made anew whenever there is another one.
    """

    secrets: tuple[Spelled, ...]
    has_short: bool
    """Whether one is found where there is no long run."""
    beginnings: Beginnings
    """Of every spelling, and the words of known kinds of keys."""

    @staticmethod
    def of(secrets: tuple[Spelled, ...]) -> Remembered:
        """
        Make ready to look for some secrets.
        """
        heads = [each[:HEAD_BYTES] for secret in secrets for each in secret.spellings]
        # A line may end within the first bytes, and then it doesn't in the next ones.
        heads += [
            each[HEAD_BYTES : 2 * HEAD_BYTES]
            for secret in secrets
            for each in secret.in_base64
        ]
        has_short = not all(secret.has_run for secret in secrets)
        return Remembered(secrets, has_short, Beginnings([*OPENERS, *heads]))

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
            found += [each for each in secret.spellings if each in raw]
        if has_run and (b"\n" in raw or b"\\" in raw):
            found += self._wrapped_in(find_runs(raw))
        return sorted(found, key=len, reverse=True) if found else found

    def find_unfinished(self, text: bytes, *, shortest: int) -> int | None:
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
    """
    Return where the text ends in the beginning of a spelling, else its length.
    """
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
