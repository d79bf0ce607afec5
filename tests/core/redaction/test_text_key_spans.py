from __future__ import annotations

import pytest

from streamtape.core.redaction.secrets import remember_secret
from streamtape.core.redaction.text import (
    find_endless,
    find_keys,
    find_unsure,
    may_be_key,
    merge,
)

KEY = b"sk-ant-api03-" + b"aB3dE5fGh" * 4
AWS = b"AKIAIOSFODNN7EXAMPLE"


def test_keys_are_found_in_their_order() -> None:
    text = b"a " + AWS + b" b " + KEY + b" c"

    spans = find_keys(text)

    assert [text[start:end] for start, end in spans] == [AWS, KEY]


def test_what_stands_before_a_bearer_token_is_no_key() -> None:
    text = b"Bearer abcdefghijklmnopqrst7"

    assert find_keys(text) == [(len(b"Bearer "), len(text))]


def test_a_remembered_secret_is_a_key() -> None:
    remember_secret("corp/7f3a-QQ")

    assert find_keys(b"it is corp/7f3a-QQ!") == [(6, 18)]


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
    remember_secret("corp/7f3a-QQ")

    assert text[find_unsure(text) :] == unsure


def test_a_text_that_begins_with_a_key_may_be_one() -> None:
    assert may_be_key(KEY + b" and more")
    assert may_be_key(b"sk-ant-api03-")
    assert not may_be_key(b" " + KEY)
    assert not may_be_key(b"sketch")


def test_only_a_key_at_the_end_can_go_on() -> None:
    assert find_endless(KEY)
    assert not find_endless(KEY + b" ")
    assert not find_endless(AWS)


def test_spans_that_overlap_are_one() -> None:
    assert merge([(5, 9), (0, 3), (2, 4), (9, 10)]) == [(0, 4), (5, 9), (9, 10)]
