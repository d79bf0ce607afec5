from __future__ import annotations

import pytest

from streamtape.core.misses.diff import Change, Location, Side
from streamtape.core.misses.suggest import (
    fewest_paths,
    find_ignorable,
    is_tool_id,
    names_a_thing,
)


def change(side: Side, *place: int | str) -> Change:
    return Change(side=side, place=place, recorded=(1,), requested=(2,))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("temperature",), "temperature"),
        (("system", 1, "text"), "system"),
        (("tools", 2, "description"), "tools[*].description"),
        (("tools", 2, "input_schema", "type"), "tools[*].input_schema"),
        (
            ("messages", 3, "content", 0, "cache_control", "ttl"),
            "messages[*].content[*].cache_control",
        ),
        (("tools", 2, "name"), "tools"),
        (("tools", 2), "tools"),
        (("tools", 0, "input_schema", "cache_control"), None),
        (("messages", 0, "content"), None),
        (("model",), None),
        (("stream",), None),
        ((), None),
    ],
)
def test_only_what_says_how_to_answer_is_ignored(
    place: Location, path: str | None
) -> None:
    assert find_ignorable(change(Side.BODY, *place)) == path


def test_a_parameter_is_ignored_unless_it_says_which_page() -> None:
    assert find_ignorable(change(Side.QUERY, "trace")) == "?trace"
    assert find_ignorable(change(Side.QUERY, "after_id")) is None


@pytest.mark.parametrize("side", [Side.METHOD, Side.PATH, Side.HEADER, Side.KIND])
def test_nothing_else_of_a_request_is_ignored(side: Side) -> None:
    assert find_ignorable(change(side, "system")) is None


def test_paths_within_others_are_left_out() -> None:
    assert fewest_paths(["tools", "tools[*].description", "toolset"]) == [
        "tools",
        "toolset",
    ]


def test_a_mark_in_many_places_is_named_once() -> None:
    marks = [f"{place}.cache_control" for place in ("a", "b", "c")]

    assert fewest_paths(marks[:2]) == marks[:2]
    assert fewest_paths([*marks, "top_k"]) == ["top_k", "$..cache_control"]


def test_names_and_ids_are_told_from_other_texts() -> None:
    assert names_a_thing(("tools", 0, "name"))
    assert names_a_thing(("messages", 0, "content", 0, "source", "data"))
    assert not names_a_thing(("messages", 0, "content"))
    assert is_tool_id(("messages", 0, "content", 0, "tool_use_id"))
    assert not is_tool_id(("system",))
