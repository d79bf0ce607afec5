"""One word for each thing: what was given up stays away, and the glossary is in use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

_ROOT = Path(__file__).parents[1]
_GLOSSARY = _ROOT / "docs" / "glossary.md"

GIVEN_UP: Final[Mapping[str, str]] = {
    "AloneLimits": "DetachedLimits",
    "AskedRequest": "ClientRequest",
    "Crowd": "ConnectionLimiter",
    "Exchange": "LoggedInteraction",
    "Exchanges": "Dispatcher",
    "Fate": "Outcome",
    "Front": "HttpServer",
    "Guest": "Connection",
    "Hits": "Replayer",
    "KeyKind": "SecretRule",
    "Matched": "MatchInput",
    "Outlet": "ResponseWriter",
    "Piece": "RecordFrames",
    "PieceReader": "RecordFramesReader",
    "Sketch": "Fingerprint",
    "TORN": "TRUNCATED",
    "Tape": "RecordingSink",
    "Verdict": "TestOutcome",
    "fate": "outcome",
    "fates": "outcomes",
    "find_keys": "find_secrets",
    "asides": "agent_context",
    "leavers": "detached",
    "read_asked": "read_test_settings",
    "read_question": "MatchQuery",
    "tidying": "exit_on_signals",
    "verdict": "outcome",
    "verdicts": "outcomes",
}
"""Words that meant the same as another one, and that one."""

_FOLDERS: Final = ("src", "tests", "docs", "bench", "scripts", "fuzz")
_ENDINGS: Final = (".py", ".md", ".mjs", ".toml")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")


def _files() -> Iterator[Path]:
    yield from sorted(_ROOT.glob("*.md"))
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.suffix in _ENDINGS and path != Path(__file__):
                yield path


def find_given_up(text: str) -> list[str]:
    """Return the words of a text that were given up, in their order."""
    return [word for word in _WORD.findall(text) if word in GIVEN_UP]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("class Verdict:\n", ["Verdict"], id="class"),
        pytest.param("self._verdict(a.verdicts)", ["verdict", "verdicts"], id="names"),
        pytest.param("the `AskedRequest` of", ["AskedRequest"], id="docs"),
        pytest.param("Verdicts, tidying_up, refutes", [], id="other-words"),
    ],
)
def test_a_word_is_found_where_it_stands_for_itself(
    text: str, found: list[str]
) -> None:
    """A name that has it as a part is another word; a leading underscore is no part."""
    assert find_given_up(text) == found


def test_no_word_that_was_given_up_is_in_use() -> None:
    """Whoever writes one is told which word means the same."""
    files = list(_files())
    found = [
        f"{path.relative_to(_ROOT)}: {word}, which is {GIVEN_UP[word]} now"
        for path in files
        for word in find_given_up(path.read_text(encoding="utf-8"))
    ]

    assert _ROOT / "src" / "streamtape" / "errors.py" in files
    assert not found


def test_every_word_of_the_glossary_is_in_use() -> None:
    """It stands in the package, as people or programs read it."""
    page = _GLOSSARY.read_text(encoding="utf-8")
    words = re.findall(r"\*\*([a-z ]+)\*\*", page)
    package = "\n".join(
        path.read_text(encoding="utf-8") for path in (_ROOT / "src").rglob("*.py")
    ).lower()

    assert "cassette" in words
    assert sorted(words) == sorted(set(words))
    for word in words:
        assert re.search(rf"\b{word}(?:s|es)?\b", package), word


def test_the_glossary_is_found_from_where_people_begin() -> None:
    """README, CONTRIBUTING and the map of the code lead to it."""
    for page in ("README.md", "CONTRIBUTING.md", "docs/architecture.md"):
        assert "glossary.md)" in (_ROOT / page).read_text(encoding="utf-8"), page
