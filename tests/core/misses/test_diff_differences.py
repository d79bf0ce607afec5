from __future__ import annotations

import copy
import json

import pytest

from asking import post
from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.diff import (
    Difference,
    common_length,
    describe_change,
    find_changes,
)
from streamtape.core.model import Request
from streamtape.core.redaction.secrets import Secrets


def differences(
    recorded: Request, requested: Request, rules: Rules | None = None
) -> list[Difference]:
    one, other = (
        match_input_of(each, rules or Rules()) for each in (recorded, requested)
    )
    return [describe_change(change, Secrets()) for change in find_changes(one, other)]


def lines(
    recorded: Request, requested: Request, rules: Rules | None = None
) -> list[str]:
    return [str(each) for each in differences(recorded, requested, rules)]


@pytest.mark.parametrize(
    ("recorded", "requested", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, [], id="same"),
        pytest.param({"metadata": 1}, {"metadata": 2}, [], id="metadata"),
        pytest.param({"a": True}, {"a": 1}, ["a: true / 1"], id="true-and-one"),
        pytest.param([[1]], [[True]], ["$[0][0]: 1 / true"], id="inner-true-and-one"),
        pytest.param({"a": None}, {}, ["a missing: null"], id="null-missing"),
        pytest.param({"stream": True}, {}, ["stream: true / false"], id="stream"),
        pytest.param(
            {}, {"stream": True}, ["stream: false / true"], id="stream-requested"
        ),
        pytest.param({"a": ""}, {}, ["a missing: ''"], id="empty-text-missing"),
        pytest.param({"a": {}}, {"a": []}, ["a: {0 keys} / [0 items]"], id="types"),
        pytest.param(
            {"a": {"b-c": {"d": 1}}},
            {"a": {"b-c": {"d": 2}}},
            ["a['b-c'].d: 1 / 2"],
            id="odd-key",
        ),
        pytest.param(
            {"a": [{"b": "x"}], "c": 1},
            {"a": [{"b": "y"}], "c": 2},
            ["c: 1 / 2", "a[0].b: 'x' / 'y'"],
            id="scalars-first",
        ),
        pytest.param([1, 2], [1, 9, 8, 2], ["$[1] added: 9", "$[2] added: 8"]),
        pytest.param([1, 1, 1], [1, 1], ["$[2] missing: 1"], id="one-of-equals"),
        pytest.param(
            [1, 2, 3, 4],
            [1, 5, 3],
            ["$[1]: 2 / 5", "$[3] missing: 4"],
            id="changed-and-missing",
        ),
        pytest.param(
            [0, 1, 2, 3],
            [0, 2, 1, 3],
            ["body in another order from item 1: 1 / 2"],
            id="order",
        ),
        pytest.param([1, 1, 2], [1, 2, 2], ["$[1]: 1 / 2"], id="not-just-order"),
        pytest.param("a\nb", "a\tb", [r"body: 'a\nb' / 'a\tb'"], id="escaped"),
        pytest.param(
            "x" * 41,
            "x" * 40,
            [f"body differs at character 40: '…{'x' * 16}' / '…{'x' * 15}'"],
            id="end-missing",
        ),
        pytest.param(
            {"a": [{"type": "t", "source": {}}]},
            {"a": []},
            ["a[0] missing: type 't'"],
            id="told-by-type",
        ),
        pytest.param(
            {"a": []},
            {"a": [{"role": "r", "content": [{"type": "text", "text": "Hi"}]}]},
            ["a[0] added: role 'r', content [type 'text', text 'Hi']"],
            id="told-by-its-only-block",
        ),
        pytest.param(
            {"path": 1, "x": 1},
            {"path": 2, "x": 1},
            ["$.path: 1 / 2"],
            id="named-as-a-part-of-a-request",
        ),
    ],
)
def test_differences_are_told_in_the_terms_of_the_api(
    recorded: object, requested: object, expected: list[str]
) -> None:
    assert lines(post(recorded), post(requested)) == expected


def test_method_path_and_query_come_before_the_body() -> None:
    recorded = post({"a": 1}, "/v1/x?beta=1&limit=2&id=1&id=2")
    requested = post({"a": 2}, "/v1/y?limit=3&id=1&id=3&after=z", "PUT")

    assert lines(recorded, requested) == [
        "method: 'POST' / 'PUT'",
        "path: '/v1/x' / '/v1/y'",
        "?limit: '2' / '3'",
        "?after added: 'z'",
        "?id: '2' / '3'",
        "a: 1 / 2",
    ]


def test_parts_are_compared_whatever_their_boundaries() -> None:
    def upload(boundary: str, content: str) -> Request:
        return Request(
            method="POST",
            target="/v1/files",
            headers=(("content-type", f"multipart/form-data; boundary={boundary}"),),
            body=f"--{boundary}\r\n\r\n{content}\r\n--{boundary}--\r\n".encode(),
        )

    assert lines(upload("one", "same"), upload("other", "same")) == []
    assert lines(upload("one", "red"), upload("other", "blue")) == [
        "parts[0].content: 'red' / 'blue'"
    ]


def test_headers_are_told_where_the_rules_name_them() -> None:
    def ask(betas: str) -> Request:
        headers = (("anthropic-beta", betas),) if betas else ()
        return Request(method="GET", target="/v1/models", headers=headers)

    rules = Rules(headers=("anthropic-beta",))

    assert lines(ask("a,b"), ask("b, c")) == []
    assert lines(ask("a,b"), ask("b, c"), rules) == [
        "header anthropic-beta: 'a, b' / 'b, c'"
    ]
    assert lines(ask(""), ask("b"), rules) == ["header anthropic-beta added: 'b'"]


def test_a_body_that_was_read_as_something_else_is_told_as_that() -> None:
    as_json = Request(method="POST", target="/v1/x", body=b'"hello"')
    as_text = Request(method="POST", target="/v1/x", body=b"hello")

    assert lines(as_json, as_text) == ["body was sent as: JSON / plain bytes"]


def test_a_difference_keeps_its_facts() -> None:
    (difference,) = differences(post({"s": "x" * 50}), post({"s": "x" * 49 + "y"}))

    assert difference == Difference(
        path="s",
        recorded=f"'…{'x' * 16}'",
        requested=f"'…{'x' * 15}y'",
        note="differs at character 49",
    )
    assert json.loads(json.dumps(difference.as_json()))["path"] == "s"


def test_an_object_is_shown_in_a_part_of_a_line() -> None:
    nested: object = "x" * 50
    for _ in range(50):
        nested = [{"type": "t", "content": nested}]
    (difference,) = differences(post({}), post({"a": nested}))

    assert difference.requested.startswith("[type 't', content [type 't', content [")
    assert len(difference.requested) < 130


def test_a_large_body_has_its_one_difference_told() -> None:
    body = {
        "messages": [
            {"role": "user", "content": f"{i}" + "x" * 5000} for i in range(400)
        ]
    }
    other = copy.deepcopy(body)
    other["messages"][200]["content"] = "200" + "x" * 4000 + "y" * 1000

    (difference,) = differences(post(body), post(other))

    assert difference.path == "messages[200].content"
    assert difference.note == "differs at character 4003"


# The nearest candidate


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [("", "", 0), ("a", "", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("ab", "abc", 2)],
)
def test_the_common_length_is_counted_from_the_start(
    one: str, other: str, common: int
) -> None:
    assert common_length(one, other) == common
