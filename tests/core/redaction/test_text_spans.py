from __future__ import annotations

import pytest

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import (
    find_endless,
    find_secrets,
    find_unsure,
    may_be_secret,
    merge,
)

KEY = b"sk-ant-api03-" + b"aB3dE5fGh" * 4
AWS = b"AKIAIOSFODNN7EXAMPLE"


def test_keys_are_found_in_their_order() -> None:
    text = b"a " + AWS + b" b " + KEY + b" c"

    spans = find_secrets(text, Secrets())

    assert [text[start:end] for start, end in spans] == [AWS, KEY]


def test_what_stands_before_a_bearer_token_is_no_key() -> None:
    text = b"Bearer abcdefghijklmnopqrst7"

    assert find_secrets(text, Secrets()) == [(len(b"Bearer "), len(text))]


def test_a_remembered_secret_is_a_key() -> None:
    secrets = Secrets()
    secrets.add("corp/7f3a-QQ")

    assert find_secrets(b"it is corp/7f3a-QQ!", secrets) == [(6, 18)]


@pytest.mark.parametrize(
    ("text", "unsure"),
    [
        pytest.param(b"ordinary prose", b"", id="prose"),
        pytest.param(b"so sk-ant-", b"", id="public-word"),
        pytest.param(b"so sk-ant-api03-Ab", b"Ab", id="begun"),
        pytest.param(b"so " + KEY, b"", id="whole"),
        pytest.param(b"sk-ant-Ab, ", b"", id="none-after-all"),
        pytest.param(b"and corp/", b"corp/", id="remembered"),
        pytest.param(b"and cor", b"", id="too-little-of-it"),
    ],
)
def test_the_beginning_of_a_key_is_unsure(text: bytes, unsure: bytes) -> None:
    secrets = Secrets()
    secrets.add("corp/7f3a-QQ")

    assert text[find_unsure(text, secrets) :] == unsure


def test_a_text_that_begins_with_a_key_may_be_one() -> None:
    assert may_be_secret(KEY + b" and more")
    assert may_be_secret(b"sk-ant-api03-")
    assert not may_be_secret(b" " + KEY)
    assert not may_be_secret(b"sketch")


def test_only_a_key_at_the_end_can_go_on() -> None:
    assert find_endless(KEY, Secrets())
    assert not find_endless(KEY + b" ", Secrets())
    assert not find_endless(AWS, Secrets())


def test_spans_that_overlap_are_one() -> None:
    assert merge([(5, 9), (0, 3), (2, 4), (9, 10)]) == [(0, 4), (5, 9), (9, 10)]
