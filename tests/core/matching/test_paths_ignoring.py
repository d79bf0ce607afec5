from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.body import MAX_DEPTH
from streamtape.core.matching.paths import ignore_paths

MARK = {"type": "ephemeral"}
BODY: dict[str, Any] = {
    "model": "m",
    "metadata": {"user_id": "u", "session": "s"},
    "odd key": {"$": 1, "a.b": 2},
    "messages": [
        {"role": "system", "content": [{"text": "s", "cache_control": MARK}]},
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "user", "content": "c"},
    ],
    "tools": [{"name": "t", "cache_control": MARK}],
}


def ignored(*paths: str, body: object = BODY) -> Any:
    return ignore_paths(copy.deepcopy(body), paths)


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        pytest.param("metadata.user_id", ["metadata.user_id"], id="member"),
        pytest.param("$.metadata.user_id", ["metadata.user_id"], id="from-the-root"),
        pytest.param(".metadata.user_id", ["metadata.user_id"], id="leading-dot"),
        pytest.param("..user_id", ["metadata.user_id"], id="leading-dots"),
        pytest.param(".user_id", [], id="leading-dot-is-the-root"),
        pytest.param("metadata", ["metadata"], id="object"),
        pytest.param("['odd key']['a.b']", ["odd key.a.b"], id="odd-keys"),
        pytest.param('$["odd key"]', ["odd key"], id="double-quotes"),
        pytest.param("['odd key']['$']", ["odd key.$"], id="dollar-as-a-key"),
        pytest.param("messages[0]", ["messages.0"], id="index"),
        pytest.param("messages[-1]", ["messages.2"], id="from-the-end"),
        pytest.param("messages[1:]", ["messages.1", "messages.2"], id="slice"),
        pytest.param(
            "messages[*].content[*].cache_control",
            ["messages.0.content.0.cache_control"],
            id="wildcards",
        ),
        pytest.param(
            "$..cache_control",
            ["messages.0.content.0.cache_control", "tools.0.cache_control"],
            id="descendants",
        ),
        pytest.param(
            "messages[?@.role=='system']", ["messages.0"], id="filter-by-value"
        ),
        pytest.param(
            "$..[?length(@.text) == 1]",
            [
                f"messages.{place}"
                for place in ("0.content.0", "1.content.0", "1.content.1")
            ],
            id="filter-by-length",
        ),
        pytest.param(
            "messages[*].content", [f"messages.{i}.content" for i in range(3)]
        ),
        pytest.param("*", list(BODY), id="everything"),
        pytest.param("messages[9].content", [], id="no-such-item"),
        pytest.param("model.name", [], id="below-a-text"),
    ],
)
def test_a_path_takes_away_what_it_names_and_nothing_else(
    path: str, gone: list[str]
) -> None:
    assert ignored(path) == without(BODY, gone)


def without(value: Any, gone: list[str], prefix: str = "") -> Any:
    match value:
        case dict():
            return {
                key: without(item, gone, f"{prefix}{key}.")
                for key, item in value.items()
                if prefix + key not in gone
            }
        case list():
            return [
                without(item, gone, f"{prefix}{index}.")
                for index, item in enumerate(value)
                if f"{prefix}{index}" not in gone
            ]
        case _:
            return value


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(("a[0]", "a[1]"), {"a": [30, [4]]}, id="two-items"),
        pytest.param(("a[1]", "a[0]"), {"a": [30, [4]]}, id="two-items-swapped"),
        pytest.param(("a[0]", "a[-4]"), {"a": [20, 30, [4]]}, id="one-item-twice"),
        pytest.param(("a[3]", "a[3][0]"), {"a": [10, 20, 30]}, id="outer-and-inner"),
        pytest.param(("$..*",), {}, id="all-in-all"),
        pytest.param(("a[0, 2]", "a[?@ == 20]"), {"a": [[4]]}, id="filter-and-list"),
        pytest.param(("$",), None, id="root"),
        pytest.param(("$", "a"), None, id="root-and-below"),
    ],
)
def test_paths_that_overlap_name_places_in_the_whole_body(
    paths: tuple[str, ...], expected: object
) -> None:
    assert ignored(*paths, body={"a": [10, 20, 30, [4]]}) == expected


@given(st.permutations(["$..a", "b[0]", "b[-1]", "b[?@.a]", "$..b[*]", "b[1].a", "b"]))
def test_the_order_of_paths_makes_no_difference(paths: list[str]) -> None:
    body = {"a": 1, "b": [{"a": {"b": [1]}}, {"a": 2, "c": [{"b": [2]}]}, 3], "c": 4}

    assert ignored(*paths[:4], body=body) == ignored(*paths[3::-1], body=body)


@pytest.mark.parametrize("body", ["text", 7, None, True, [], {}])
def test_paths_find_nothing_in_a_body_without_members(body: object) -> None:
    assert ignored("a", "$..b", "messages[*].content", "[0]", body=body) == body


def test_a_path_reaches_as_deep_as_a_body_goes() -> None:
    body: dict[str, Any] = {"x": 1}
    for _ in range(MAX_DEPTH - 1):
        body = {"a": body}

    assert "x" in json.dumps(body)
    assert "x" not in json.dumps(ignored("$..x", body=body))


@pytest.mark.case(80)
def test_half_of_a_long_list_is_taken_out_in_linear_time() -> None:
    """Were the items taken out one by one, this would take minutes."""
    body = {"a": list(range(900_000))}

    kept = ignore_paths(body, ["a[::2]"], size_bytes=6_000_000)

    assert kept == {"a": list(range(1, 900_000, 2))}
