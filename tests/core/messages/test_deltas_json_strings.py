"""The strings of a JSON value: each has a place, the same in event after event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamtape.core.messages.deltas import (
    MOST_STRINGS,
    find_json_strings,
    put_json_string,
)


def places(data: Any) -> dict[str, tuple[str | int, ...]]:
    return {text: place for place, _, text in find_json_strings(data)}


def test_each_string_can_be_put_where_it_was_found() -> None:
    data = {"a": "1", "b": [["2"], {"c": "3", "index": 4}], "d": None, "e": 5.0}
    before = json.dumps(data)

    strings = find_json_strings(data)

    assert [text for _, _, text in strings] == ["1", "2", "3"]
    for _, path, text in strings:
        data = put_json_string(data, path, text * 2)
    for text in "123":
        before = before.replace(f'"{text}"', f'"{text * 2}"')
    assert json.dumps(data) == before
    assert find_json_strings("x") == [((), (), "x")]
    assert put_json_string("x", (), "y") == "y"


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ({"a": {"b": "x"}}, {"c": 1, "a": {"d": "z", "b": "y"}}, True),
        ({"a": "x"}, {"b": "y"}, False),
        ({"a": ["x"]}, {"a": ["z", "y"]}, False),
        ({"a": [{"index": 1, "b": "x"}]}, {"a": [{}, {"index": 1, "b": "y"}]}, True),
        ({"a": [{"index": 1, "b": "x"}]}, {"a": [{"index": 2, "b": "y"}]}, False),
        ({"output_index": 1, "b": "x"}, {"output_index": 2, "b": "y"}, False),
        ({"number": 1, "b": "x"}, {"number": 2, "b": "y"}, True),
    ],
)
def test_strings_of_one_text_have_one_place(
    first: Any, second: Any, is_one: bool
) -> None:
    assert (places(first)["x"] == places(second)["y"]) == is_one


def test_what_is_endless_or_deep_is_looked_at_in_part() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]

    assert find_json_strings(deep) == []
    assert len(find_json_strings(["x"] * 5000)) == MOST_STRINGS
    assert len(find_json_strings([["x"] * 300] * 300)) == MOST_STRINGS
    assert len(find_json_strings({str(n): "x" for n in range(5000)})) == MOST_STRINGS
