"""
File names that tell a person which request a cassette answers.

They come from what the key sees of a request, so that a request with the same key
has the same name, and a text that a project replaces is in no name either.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from streamtape.core.redaction.scan import SEEN, find_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamtape.core.matching.key import MatchInput
    from streamtape.core.redaction.secrets import Secrets

_SLUG_CHARS = 40
_TELLING_CHARS = 8
"""Shorter words than these may be in a name by chance."""
_SLUG_SOURCE_CHARS = 400
_SLUG_IGNORED = re.compile("[\u0300-\u036f'\u2019]")
"""Accents, once taken apart from their letters, and apostrophes."""
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
)


def cassette_stem(match_input: MatchInput) -> str:
    """Return the name of the first take's file, without its extension."""
    return f"{slug(match_input)}-{match_input.key[:8]}"


def slug(match_input: MatchInput) -> str:
    """
    Return a few words that tell a person which request this is.

    They are the first words of the last text that the user wrote, else a word of
    the path. Never empty, at most 40 characters of ``[a-z0-9-]``, and never the
    name of a device on Windows.
    """
    segments = (
        segment
        for segment in reversed(match_input.path.split("/"))
        # Digits are in versions and ids, which say nothing or change.
        if segment and not any(char.isdigit() for char in segment)
    )
    words = next(user_slugs(match_input), "")
    return words or _join_words(next(segments, "")) or "request"


def user_slugs(match_input: MatchInput) -> Iterator[str]:
    """
    Yield the words of each text that the user wrote, last first; some are empty.

    An earlier turn of the same conversation was named by one of them.
    """
    return map(_join_words, _user_texts(match_input.body))


def find_kinds_in_name(name: str, secrets: Secrets) -> list[str]:
    """Name the kinds of secret in a file's name, also as the words of one."""
    kinds = find_kinds(name.encode(errors="surrogateescape"), secrets)
    words = (_join_words(value) for value in secrets.values)
    if SEEN not in kinds and any(
        len(each) >= _TELLING_CHARS and each in name for each in words
    ):
        kinds.append(SEEN)
    return kinds


def _user_texts(body: Any) -> Iterator[str]:
    """Yield what the user wrote, last first, without what an agent put in between."""
    match body:
        case {"messages": [*messages]}:
            for message in reversed(messages):
                for text in reversed(_texts_of(message)):
                    if not text.lstrip().startswith("<system-reminder>"):
                        yield text


def _texts_of(message: Any) -> list[str]:
    match message:
        case {"role": "user", "content": str(text)}:
            return [text]
        case {"role": "user", "content": [*blocks]}:
            texts = (_text_of(block) for block in blocks)
            return [text for text in texts if text is not None]
        case _:
            return []


def _text_of(block: Any) -> str | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case _:
            return None


def _join_words(text: str) -> str:
    start = text.strip()[:_SLUG_SOURCE_CHARS]
    letters = unicodedata.normalize("NFKD", start).lower()
    joined = "-".join(re.findall("[a-z0-9]+", _SLUG_IGNORED.sub("", letters)))
    if len(joined) > _SLUG_CHARS:
        # One character more tells whether a word ends exactly at the limit.
        whole_words = joined[: _SLUG_CHARS + 1].rpartition("-")[0]
        joined = whole_words or joined[:_SLUG_CHARS]
    return f"{joined}-request" if joined in _WINDOWS_DEVICES else joined
