"""Kinds of keys: each is found by its looks, in time that grows with the text alone."""

from __future__ import annotations

from random import Random

import pytest

from planting import KEYS, Planted
from streamtape.core.redaction.rules import (
    SECRET_RULES,
    SecretRule,
    find_runs,
    has_long_run,
    rules_in,
)
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED, clean_text

IDS = [f"{number}-{kind.word.decode()}" for number, kind in enumerate(SECRET_RULES)]


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_each_key_is_of_a_kind(make: object) -> None:
    assert callable(make)
    for seed in range(20):
        key: Planted = make(Random(seed))
        raw = f"It is {key.text}.".encode()

        assert has_long_run(raw)
        matches = [kind.pattern.search(raw) for kind in rules_in(raw)]
        found = [match[0].decode() for match in matches if match is not None]
        assert any(key.text.endswith(each) or each.endswith(".") for each in found)


@pytest.mark.parametrize("kind", SECRET_RULES, ids=IDS)
def test_a_key_is_found_by_its_word_and_in_each_beginning(kind: SecretRule) -> None:
    """The partial pattern takes what the pattern takes, and every beginning of it."""
    for make in KEYS.values():
        raw = make(Random(3)).text.encode()
        match = kind.pattern.search(raw)
        partial = kind.partial.search(raw)

        assert (match is None) == (partial is None)
        if match is None or partial is None:
            continue
        assert kind.word in raw
        assert match.span() == partial.span()
        public = kind.public.match(raw, match.start())
        assert public is not None
        for size in range(public.end() + 1, match.end()):
            cut = kind.partial.search(raw[match.start() : size], partial=True)
            assert cut is not None
            assert cut.start() == 0


@pytest.mark.parametrize("kind", SECRET_RULES, ids=IDS)
def test_what_goes_on_for_ever_belongs_to_the_key(kind: SecretRule) -> None:
    if kind.more is None:
        return
    for make in KEYS.values():
        raw = make(Random(4)).text.encode()
        match = kind.pattern.search(raw)
        if match is not None and match.end() == len(raw):
            longer = kind.pattern.search(raw + b"aaa")
            assert longer is not None
            assert longer.end() == len(raw) + 3
            assert kind.more.fullmatch(b"aaa")


@pytest.mark.parametrize(
    "raw",
    [b"a short text", b"task-management for everybody", b"a b c d " * 9, b"\xff" * 90],
)
def test_ordinary_words_are_no_long_run(raw: bytes) -> None:
    assert not has_long_run(raw)


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_a_key_in_a_long_text_is_near_a_run(make: object) -> None:
    """
    The runs of a long text, and what stands near them, hold each key as it stands.
    """
    assert callable(make)
    dice = Random(5)
    for _ in range(20):
        key: Planted = make(dice)
        words = [" ".join(dice.choices(["a", "word", "or-two", "x_y"], k=900))] * 3
        raw = f" {key.text} ".join(words).encode()

        near = find_runs(raw)

        assert near.count(f" {key.text} ".encode()) == 2
        assert len(near) < len(raw) // 4 or b"PRIVATE" in raw


def test_a_text_without_a_run_has_none() -> None:
    assert find_runs(b"a b c " * 900) == b""
    assert find_runs(b"short " + b"a" * 20) == b"short " + b"a" * 20


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("before", ["Zm9v", "x_", "a-"])
def test_what_looks_like_a_key_within_base64_is_none(name: str, before: str) -> None:
    """Media and what a client has to send back may hold any run of letters."""
    text = f"data {before}{KEYS[name](Random(2)).text}"
    # A header may be named within a word, and a space stands in what PEM begins with.
    is_named = name in ("bearer", "aws-signature", "private-key", "anthropic")

    assert (REDACTED in clean_text(text, Secrets())) == is_named


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "before", ["", " ", '"', "=", ":", "(", "@", "\\n", "\n", "%3D"]
)
def test_a_key_after_what_ends_a_word_is_one(name: str, before: str) -> None:
    text = f"data{before or ' '}{KEYS[name](Random(2)).text}"

    assert REDACTED in clean_text(text, Secrets())


def test_a_token_in_a_url_is_one() -> None:
    token = KEYS["github"](Random(2)).text

    url = clean_text(f"git clone https://{token}@git.example/a", Secrets())

    assert url == f"git clone https://{REDACTED}@git.example/a"
