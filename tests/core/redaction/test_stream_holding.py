"""Texts in pieces: what is held back, for how long, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.stream import HeldText, PendingText
from streamtape.core.redaction.text import REDACTED

SECRET = "Qw7eRt9yUi" * 4
KEY = f"sk-ant-api03-{SECRET}"

WORD_BEFORE = re.compile(rf"s(k(-(ant-(api03-)?)?)?)?(?={re.escape(REDACTED)})")
"""As much of the public word as may have been written before its key was known."""


def feed(
    texts: Sequence[str], secrets: Secrets | None = None, *, is_cut: bool = False
) -> list[str]:
    """Return what may be written of each piece once the text is over."""
    held = HeldText(secrets or Secrets())
    pieces = [held.feed(text.encode()) for text in texts]
    held.end(is_cut=is_cut)
    assert all(piece.is_decided for piece in pieces)
    return [piece.cleaned.decode() for piece in pieces]


def decided(held: HeldText, text: str) -> PendingText:
    piece = held.feed(text.encode())
    assert piece.is_decided
    return piece


@pytest.mark.case(72)
def test_a_piece_is_held_while_it_may_be_a_keys() -> None:
    held = HeldText(Secrets())

    decided(held, "It is ")
    # The words that keys begin with are nobody's secret.
    decided(held, "sk-")
    decided(held, "ant-")
    first = held.feed(b"Qw7")
    assert not first.is_decided
    second = held.feed(b"eRt9 and")

    assert first.is_decided
    assert second.is_decided
    assert first.cleaned + second.cleaned == b"Qw7eRt9 and"


def test_a_piece_behind_a_whole_key_is_not_held() -> None:
    held = HeldText(Secrets())

    assert decided(held, KEY).cleaned.decode() == REDACTED
    assert decided(held, "Qw7").cleaned == b""
    assert decided(held, "").cleaned == b""
    assert decided(held, "x. And").cleaned == b". And"
    assert decided(held, " on").cleaned == b" on"


@pytest.mark.case(72)
def test_a_secret_right_behind_a_key_is_found() -> None:
    secrets = Secrets()
    secrets.add("corp.7f3a-QQ/secret")

    written = feed([KEY, "corp", ".7f3a-QQ", "/secret and"], secrets)

    assert "7f3a" not in "".join(written)
    assert written[-1].endswith(" and")


@pytest.mark.case(72)
@pytest.mark.parametrize("before", ["", "It is ", "sk-ant-api03-short "])
@pytest.mark.parametrize("behind", ["", ".", f" {KEY}", " sk-"])
def test_a_key_is_one_wherever_it_is_cut_in_two(before: str, behind: str) -> None:
    """Of the public word before its secret may stay what was written before the cut."""
    whole = before + KEY + behind
    for cut in range(len(whole) + 1):
        joined = "".join(feed([whole[:cut], whole[cut:]]))

        assert SECRET[:4] not in joined
        assert WORD_BEFORE.sub("", joined) == whole.replace(KEY, REDACTED)


def test_empty_pieces_change_nothing() -> None:
    assert feed(["", "a sk-", "", "ant-x", "", " b", ""]) == [
        "",
        "a sk-",
        "",
        "ant-x",
        "",
        " b",
        "",
    ]


@pytest.mark.case(72)
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_text_may_end_in_a_key_that_was_cut_off(is_cut: bool) -> None:
    """By a model that came to its last token, or by a stream that broke off."""
    secrets = Secrets()
    secrets.add("corp.7f3a-QQ/secret")

    google = "AIza" + "Ab3dE" * 6
    assert feed([f"a {google}"], secrets, is_cut=is_cut) == [f"a AIza{REDACTED}"]
    assert feed(["a sk-", "Qw7eRt9y"], secrets, is_cut=is_cut) == ["a sk-", REDACTED]
    assert feed(["a sk-Qw7eRt9"], secrets, is_cut=is_cut) == ["a sk-Qw7eRt9"]
    assert feed(["a corp.7f3a"], secrets, is_cut=is_cut) == [f"a {REDACTED}"]
    assert feed(["a corp.7"], secrets, is_cut=is_cut) == ["a corp.7"]
    assert feed(["a sk-learn"], secrets, is_cut=is_cut) == ["a sk-learn"]


@pytest.mark.case(75)
@pytest.mark.parametrize(
    "text",
    [
        "pip install hf_transfer",
        "see npm_lifecycle",
        "a class sk-circle12",
        "sk-ant-your-key",
        "ANTHROPIC_API_KEY=sk-YOUR_KEY_HERE",
        "with a Bearer AccessToken",
        "the head is eyJhbGciOiJIUzI1NiJ9",
        "xoxb-123456789",
    ],
)
def test_a_text_that_is_over_may_end_in_words(text: str) -> None:
    assert feed([text]) == [text]


@pytest.mark.case(73)
def test_pieces_that_share_an_escape_stay_or_go_together() -> None:
    kept = ["a \\u00", "41\\", "n \\u", "002d b", "\\"]
    assert feed(kept) == kept
    # The word may stay, and then all of it does.
    word = ["\\u00", "73k-ant-api03-"]
    assert feed([*word, SECRET, '"']) == [*word, REDACTED, '"']
    assert feed(['"\\u0', f"073{KEY[1:]}", '"']) == [f'"{REDACTED}', "", '"']


@pytest.mark.case(74)
def test_a_longer_secret_goes_on_behind_a_shorter_one() -> None:
    secrets = Secrets()
    secrets.add("corp7-alpha")
    secrets.add("corp7-alpha/bravo")

    # The shorter one was over before the longer one was known.
    assert feed(["a corp7-alpha", "/bra", "vo b"], secrets) == [
        f"a {REDACTED}",
        REDACTED,
        " b",
    ]
    assert feed(["a corp7-alpha", "/bra", "ke b"], secrets) == [
        f"a {REDACTED}",
        "/bra",
        "ke b",
    ]


@pytest.mark.parametrize(
    "piece",
    ["eyJ", " eyJ", "sk-", "-----BEGIN ", "Bearer a", "\\", "a", "\\u00", "corp"],
)
@pytest.mark.parametrize("before", ["", "sk-ant-", " eyJ", "Bearer a1"])
def test_what_is_kept_of_a_long_text_is_short(before: str, piece: str) -> None:
    """Whatever a text is made of, so that its last piece costs what its first did."""
    secrets = Secrets()
    secrets.add("corpcorpcorpcorp7")
    held = HeldText(secrets)
    held.feed(before.encode())
    undecided: list[PendingText] = []
    for _ in range(600):
        new = held.feed(piece.encode())
        undecided = [each for each in [*undecided[-8:], new] if not each.is_decided]
    held.end()

    assert all(each.is_decided for each in undecided)
    assert len(held._text) < 20 * 1024
