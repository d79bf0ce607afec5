"""
The spellings of a secret, and texts whose line ends are taken out and found again.
"""

from __future__ import annotations

import base64
from random import Random

import pytest

from streamtape.core.redaction.secrets import OneLine, spell, spell_in_base64

KEY = "corp.7f3a-QQ/secret+value=1"


def test_no_spelling_is_empty_and_the_longest_come_first() -> None:
    for spellings in (spell(KEY), spell_in_base64(KEY), spell_in_base64("abcdef78")):
        assert all(spellings)
        assert sorted(spellings, key=len, reverse=True) == list(spellings)


@pytest.mark.parametrize("before", range(7))
def test_base64_of_a_longer_text_holds_a_spelling(before: int) -> None:
    encoded = base64.b64encode(b"x" * before + KEY.encode() + b"behind")

    assert any(spelling in encoded for spelling in spell_in_base64(KEY))


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\t ", "\\n", "\\r\\n", "\\\\n"])
def test_all_that_is_left_of_lines_is_found_where_it_was(line_end: str) -> None:
    dice = Random(line_end)
    for _ in range(50):
        lines = ["Ab3" * dice.randint(0, 4) for _ in range(dice.randint(1, 5))]
        text = line_end.join(lines).encode()

        one_line = OneLine(text)

        assert one_line.text == "".join(lines).encode()
        assert one_line.is_one == (len(lines) == 1)
        for place, char in enumerate(one_line.text):
            assert text[one_line.was_at(place)] == char


def test_blanks_are_no_line_ends() -> None:
    assert OneLine(b"a b\tc \\d").is_one
