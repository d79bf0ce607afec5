"""The pattern for many words: it finds what a search for each would find."""

from __future__ import annotations

from random import Random

import pytest

from streamtape.core.redaction.secrets import Beginnings


@pytest.mark.parametrize("seed", range(30))
def test_a_word_is_found_where_a_plain_search_finds_one(seed: int) -> None:
    dice = Random(seed)
    letters = b"ab-_A."
    words = [bytes(dice.choices(letters, k=dice.randint(1, 5))) for _ in range(9)]
    beginnings = Beginnings(words)

    for _ in range(300):
        text = bytes(dice.choices(letters, k=dice.randint(0, 12)))
        found = beginnings.search(text)
        assert (found is not None) == any(word in text for word in words)


@pytest.mark.parametrize("seed", range(30))
def test_a_word_that_ends_behind_a_place_is_found_from_its_reach_on(seed: int) -> None:
    dice = Random(seed)
    words = [b"sk-", b"AKIA", b"corp", b"zz9e", b"Bearer "]
    beginnings = Beginnings(words)
    word = dice.choice(words)
    text = b"a text of etaoin " + word

    for place in range(len(text)):
        assert beginnings.search(text, max(0, place - beginnings.reach)) is not None
    assert beginnings.reach < max(map(len, words))
