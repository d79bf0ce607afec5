from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import post
from streamtape.core.differences import Difference, find_differences
from streamtape.core.matching import request_key
from streamtape.core.model import Request


def lines(recorded: Request, requested: Request, limit: int = 9) -> list[str]:
    return [str(each) for each in find_differences(recorded, requested, limit)]


@pytest.mark.parametrize(
    ("recorded", "requested", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, [], id="same"),
        pytest.param({"metadata": 1}, {"metadata": 2}, [], id="metadata"),
        pytest.param({"a": True}, {"a": 1}, ["a: true / 1"], id="true-and-one"),
        pytest.param(
            [[1]], [[True]], ["body[0][0]: 1 / true"], id="inner-true-and-one"
        ),
        pytest.param({"a": None}, {}, ["a missing: null"], id="null-missing"),
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
        pytest.param([1, 2], [1, 9, 8, 2], ["body[1] added: 9", "body[2] added: 8"]),
        pytest.param([1, 1, 1], [1, 1], ["body[2] missing: 1"], id="one-of-equals"),
        pytest.param(
            [1, 2, 3, 4],
            [1, 5, 3],
            ["body[1]: 2 / 5", "body[3] missing: 4"],
            id="changed-and-missing",
        ),
        pytest.param(
            [0, 1, 2, 3],
            [0, 2, 1, 3],
            ["body in another order from item 1: 1 / 2"],
            id="order",
        ),
        pytest.param([1, 1, 2], [1, 2, 2], ["body[1]: 1 / 2"], id="not-just-order"),
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
        "query.limit: '2' / '3'",
        "query.after added: 'z'",
        "query.id[1]: '2' / '3'",
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
        r"parts[1]: '\r\n\r\nred' / '\r\n\r\nblue'"
    ]


def test_a_difference_keeps_its_facts() -> None:
    assert find_differences(post({"s": "x" * 50}), post({"s": "x" * 49 + "y"})) == [
        Difference(
            path="s",
            recorded=f"'…{'x' * 16}'",
            requested=f"'…{'x' * 15}y'",
            note="differs at character 49",
        )
    ]


def test_no_more_differences_are_given_than_asked_for() -> None:
    many = {f"k{i}": i for i in range(9)}

    assert len(find_differences(post({}), post(many))) == 3
    assert len(find_differences(post({}), post(many), limit=5)) == 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(json_values, json_values)
def test_there_are_differences_just_where_the_keys_differ(
    one: object, other: object
) -> None:
    recorded, requested = post({"a": one}), post({"a": other})

    assert bool(find_differences(recorded, requested)) == (
        request_key(recorded) != request_key(requested)
    )


def test_a_large_body_has_its_one_difference_told() -> None:
    body = {
        "messages": [
            {"role": "user", "content": f"{i}" + "x" * 5000} for i in range(400)
        ]
    }
    other = copy.deepcopy(body)
    other["messages"][200]["content"] = "200" + "x" * 4000 + "y" * 1000

    (difference,) = find_differences(post(body), post(other))

    assert difference.path == "messages[200].content"
    assert difference.note == "differs at character 4003"


# The nearest candidate
