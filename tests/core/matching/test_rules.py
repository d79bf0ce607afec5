from __future__ import annotations

import copy
import itertools
import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.bodies import MAX_DEPTH, map_texts
from streamtape.core.matching.key import matched, request_key
from streamtape.core.matching.rules import (
    Rules,
    compile_path,
    ignore_paths,
    rename_tool_ids,
    replace_texts,
)
from streamtape.core.model import Request
from streamtape.errors import UsageError

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

CATASTROPHIC = "(a|aa)+$"
NESTED = "(a+)+$"


def post(body: object, target: str = "/v1/messages") -> Request:
    return Request(method="POST", target=target, body=json.dumps(body).encode())


def ignored(*paths: str, body: object = BODY) -> Any:
    return ignore_paths(copy.deepcopy(body), paths)


# Ignoring


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
        pytest.param("?limit", [], id="parameter-of-the-query"),
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


def test_what_is_ignored_makes_no_difference_to_the_key() -> None:
    rules = Rules(ignore=("messages[*].content[*].cache_control", "temperature"))
    content = [{"type": "text", "text": "a"}]
    marked = [{**content[0], "cache_control": MARK}]
    one = post({"messages": [{"role": "user", "content": content}]})
    other = post({"messages": [{"role": "user", "content": marked}], "temperature": 1})
    third = post({"messages": [{"role": "user", "content": marked}], "top_k": 1})

    assert request_key(one) != request_key(other)
    assert request_key(one, rules) == request_key(other, rules)
    assert request_key(one, rules) != request_key(third, rules)


def test_the_body_that_was_sent_stays_as_it_was() -> None:
    request = post(BODY)
    matched(request, Rules(ignore=("$..*",), replace=((".", "x"),), rename_ids=True))

    assert request == post(BODY)


def test_a_parameter_of_the_query_can_be_ignored() -> None:
    rules = Rules(ignore=("?limit", "?a[]"))
    bare = post({}, "/v1/models?b=1")

    for query in ("b=1&limit=3", "limit=&limit=4&b=1", "a%5B%5D=1&b=1&l%69mit=2"):
        assert request_key(post({}, f"/v1/models?{query}"), rules) == request_key(
            bare, rules
        )
    for query in ("b=2&limit=3", "b=1&limits=1", "b=1&a=1"):
        assert request_key(post({}, f"/v1/models?{query}"), rules) != request_key(
            bare, rules
        )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "$.",
        "a..",
        "...a",
        "a b",
        " a",
        "a[",
        "a[x]",
        "a['x]",
        "a[99999999999999999999]",
        "a[?@.b = 1]",
        "a[?@.b == 1e400]",
        "a[?@.b == 1e99999]",
        "a[?unknown(@)]",
        "a[?search(@, 'x')]",
        "a[?match(@, 'x')]",
        "a[?" + "(" * 3000 + "@.a" + ")" * 3000 + "]",
        "a{}",
        "\0",
    ],
)
def test_a_bad_path_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rules(ignore=("metadata", path))

    assert f"ignore: {path!r} is no JSON path: " in str(caught.value)


@given(st.text(alphabet="$.[]*?@'\"ab01-:,()=!<>&| ", max_size=16))
def test_a_path_is_read_or_refused(path: str) -> None:
    with suppress(UsageError):
        compile_path(path).find(BODY)


# Replacing


def test_texts_are_replaced_in_body_query_and_headers_but_not_in_the_path() -> None:
    rules = Rules(replace=(("[0-9]+", "#"),), headers=("user-agent",))
    request = Request(
        method="POST",
        target="/v1/files/17?after=2026&after=5",
        headers=(("user-agent", "app/12"),),
        body=b'{"7": ["day 31", {"a": "1 and 2"}], "b": 5}',
    )

    seen = matched(request, rules)

    assert seen.path == "/v1/files/17"
    assert seen.query == (("after", "#"), ("after", "#"))
    assert seen.headers == {"user-agent": "app/#"}
    assert seen.body == {"7": ["day #", {"a": "# and #"}], "b": 5}


def test_texts_are_replaced_in_forms_and_in_bodies_that_are_no_json() -> None:
    rules = Rules(replace=(("[0-9]+", "#"),))
    part = b'Content-Disposition: form-data; filename="a1.txt"\r\n\r\nday 31'
    form = Request(
        method="POST",
        target="/",
        headers=(("content-type", "multipart/form-data; boundary=b"),),
        body=b"--b\r\n" + part + b"\r\n--b--",
    )
    text = Request(method="POST", target="/", body=b"day 31, not 30")

    assert matched(form, rules).body == {
        "parts": [{"filename": "a#.txt", "content": "day #"}]
    }
    assert matched(text, rules).body == "day #, not #"


@pytest.mark.parametrize("text", [r"\1", r"\g<a>", r"\\", r"\n", "$1", "", "é"])
def test_what_is_put_in_is_taken_as_it_is(text: str) -> None:
    assert replace_texts("-x-", [("(?P<a>x)", text)]) == f"-{text}-"


def test_replacements_are_made_in_their_order() -> None:
    assert replace_texts("a", [("a", "b"), ("b", "c")]) == "c"
    assert replace_texts("a", [("b", "c"), ("a", "b")]) == "b"


def test_requests_that_differ_elsewhere_keep_different_keys() -> None:
    rules = Rules(replace=((r"\d{4}-\d\d-\d\d", "<day>"),))
    texts = ["on 2026-11-22", "on 2027-01-01", "on 2026-11", "by 2026-11-22"]
    keys = [request_key(post({"a": text}), rules) for text in texts]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_half_a_surrogate_pair_can_be_replaced() -> None:
    assert replace_texts(["\ud83dx", "x\udcff"], [("x", "")]) == ["\ud83d", "\udcff"]


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_every_string_of_a_value_is_changed_once(value: Any) -> None:
    changed = map_texts({"k": value}, lambda text: text + "!")

    assert map_texts(changed, lambda text: text[:-1]) == {"k": value}


@pytest.mark.case(80)
def test_a_pattern_that_takes_too_long_ends_in_an_error_that_names_it() -> None:
    rules = Rules(replace=(("x", "y"), (CATASTROPHIC, "b")))
    request = post({"messages": [{"role": "user", "content": "a" * 60 + "!"}]})

    with pytest.raises(UsageError) as caught:
        request_key(request, rules)

    assert f"replace: {CATASTROPHIC!r} takes longer than" in str(caught.value)
    assert "61 characters" in str(caught.value)


@pytest.mark.case(80)
def test_nested_repeats_are_bounded_whatever_the_length_of_the_text() -> None:
    short = "a" * 27 + "!"

    assert replace_texts(short, [(NESTED, "b")]) == short
    with pytest.raises(UsageError, match="takes longer than"):
        replace_texts("a" * 100_000 + "!", [(NESTED, "b")])


@pytest.mark.case(80)
def test_many_texts_that_each_take_a_little_are_bounded_together() -> None:
    """
    Every look at the clock finds that 10 ms have passed.
    """
    times_ns = itertools.count(step=10_000_000)
    rules = Rules(replace=(("a", "b"),), headers=("accept",), cpu_ns=times_ns.__next__)
    texts = ["a"] * 20

    def asked(texts: list[str]) -> Request:
        query = "&".join(f"{number}=a" for number in range(20))
        return replace(post(texts, f"/v1/messages?{query}"), headers=(("accept", "a"),))

    assert matched(asked(texts), rules).body == ["b"] * 20
    assert matched(asked(texts), rules).headers == {"accept": "b"}
    with pytest.raises(UsageError) as caught:
        request_key(asked(texts * 2), rules)

    assert "the patterns take longer than 0.5 s on the texts of one" in str(
        caught.value
    )


def test_a_long_text_may_take_as_long_as_a_linear_pattern_needs() -> None:
    """
    Every look at the clock finds that a second has passed.
    """
    times_ns = itertools.count(step=1_000_000_000)
    rules = Rules(replace=(("x", "y"),), cpu_ns=times_ns.__next__)

    assert matched(post(["a" * 5_000_000] * 2), rules).body == ["a" * 5_000_000] * 2


def test_rules_are_equal_whoever_tells_the_time() -> None:
    assert Rules(cpu_ns=lambda: 0) == Rules()
    assert hash(Rules(cpu_ns=lambda: 0)) == hash(Rules())


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a**", "a{2,1}", r"\p{Foo}", "(?<n", "(?1)", "(" * 5000]
)
def test_a_bad_pattern_is_refused_by_its_name(pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rules(replace=(("a", "b"), (pattern, "x")))

    assert f"replace: {pattern!r} is no regular expression: " in str(caught.value)


@given(st.text(alphabet="()[]{}|*+?^$.\\ab01<>=!:P-,&~", max_size=12))
def test_a_pattern_is_read_or_refused(pattern: str) -> None:
    with suppress(UsageError):
        replace_texts(["aab", ""], [(pattern, "x")])


# Headers


@pytest.mark.parametrize("name", ["x-api-key", "Authorization", "", "host", "cookie"])
def test_a_header_that_is_not_kept_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rules(headers=("accept", name))

    assert f"headers: the value of {name!r} is not kept" in str(caught.value)
    assert "anthropic-beta, anthropic-version" in str(caught.value)


# Ids of tool calls


def conversation(call: str, other: str) -> dict[str, Any]:
    return {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": call, "name": "t", "input": {"id": 1}},
                    {"type": "server_tool_use", "id": other, "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": other, "content": "o"},
                    {"type": "tool_result", "tool_use_id": call, "content": "c"},
                ],
            },
        ]
    }


@given(st.text(), st.text())
def test_ids_of_tool_calls_count_by_their_order_alone(call: str, other: str) -> None:
    rules = Rules(rename_ids=True)
    renamed = request_key(post(conversation(call, other)), rules)

    assert (renamed == request_key(post(conversation("a", "b")), rules)) == (
        call != other
    )


def test_without_the_rule_the_ids_count() -> None:
    one, other = post(conversation("a", "b")), post(conversation("a", "c"))

    assert request_key(one) != request_key(other)


def test_a_result_of_another_call_is_another_request() -> None:
    rules = Rules(rename_ids=True)
    swapped = conversation("a", "b")
    swapped["messages"][1]["content"][0]["tool_use_id"] = "a"
    swapped["messages"][1]["content"][1]["tool_use_id"] = "b"

    assert request_key(post(swapped), rules) != request_key(
        post(conversation("a", "b")), rules
    )


def test_other_ids_stay() -> None:
    body = {
        "container": {"id": "c"},
        "messages": [
            {"id": "m", "content": [{"type": "image", "id": "i"}, "tool_use"]}
        ],
    }

    assert rename_tool_ids(body) == body


@pytest.mark.parametrize(
    "body", [None, [], "messages", {"messages": 1}, {"messages": [1, None, []]}]
)
def test_ids_are_looked_for_in_any_body(body: object) -> None:
    assert rename_tool_ids(body) == body


def test_ids_that_are_no_text_stay() -> None:
    body = {"messages": [{"type": "tool_use", "id": [1], "tool_use_id": None}]}

    assert rename_tool_ids(body) == body


@pytest.mark.parametrize(
    "given",
    [
        {"tool_use_id": "process-1"},
        {"type": "server_tool_use", "id": "a"},
        {"in": [{"type": "tool_use", "id": "a"}]},
    ],
    ids=["key", "block", "deep"],
)
def test_what_a_tool_is_given_is_not_renamed(given: dict[str, object]) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "kill", "input": given}
    messages = [{"role": "assistant", "content": [block]}]

    assert rename_tool_ids({"messages": messages}) == {
        "messages": [{"role": "assistant", "content": [{**block, "id": "tool-1"}]}]
    }
