from __future__ import annotations

from typing import Any

import pytest

from forging import KEY, PRIVATE, forge, request_frame, response_frame
from streamtape.core.format.records import Kind
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import (
    RecordFramesReader,
    clean_value,
    holds_secret,
    unknown_in,
)


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        (KEY, "[redacted]"),
        (KEY.encode(), b"[redacted]"),
        ([1, [f"a {KEY}"]], [1, ["a [redacted]"]]),
        ({"a": {KEY: 2.5}}, {"a": {"[redacted]": 2.5}}),
    ],
    ids=["text", "bytes", "list", "map"],
)
def test_a_key_is_found_and_replaced_wherever_it_is(value: Any, cleaned: Any) -> None:
    assert holds_secret(value, Secrets())
    assert clean_value(value, Secrets()) == cleaned
    assert not holds_secret(cleaned, Secrets())


@pytest.mark.parametrize("value", ["a", b"\xff", 7, None, [True, {}], {"a": ["b"]}])
def test_other_values_stay(value: Any) -> None:
    assert not holds_secret(value, Secrets())
    assert clean_value(value, Secrets()) == value


def test_what_a_record_does_not_say_is_not_known() -> None:
    frames = [
        request_frame(later=1),
        (Kind.NOTE, "hi"),
        response_frame(),
        (Kind.EVENT, [1, b"x", "more"]),
        (PRIVATE, b"\xc1 no value"),
        (PRIVATE, {"a": 1}),
    ]
    header = {"recorded_at": "2026", "match": [1, bytes(32)]}
    data = forge(frames, header=header, end={"later": 2})

    unknown = [unknown_in(piece) for piece in RecordFramesReader().feed(data)]

    assert unknown == [
        {"recorded_at": "2026"},
        {"later": 1},
        "hi",
        {},
        ["more"],
        b"\xc1 no value",
        {"a": 1},
        {"later": 2},
    ]
