from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import changed, post
from streamtape.core.matching.key import matched, request_key
from streamtape.core.matching.rules import Rules, compile_path
from streamtape.core.misses.changes import Change, Side, find_changes, write_path
from streamtape.core.model import Request


def changes(recorded: Request, requested: Request) -> list[Change]:
    return list(find_changes(matched(recorded), matched(requested)))


@pytest.mark.parametrize(
    ("place", "path"),
    [
        pytest.param((), "$", id="all"),
        pytest.param(("a",), "a", id="key"),
        pytest.param((0, "a"), "$[0].a", id="list-at-the-top"),
        pytest.param(("a", 3, "b", "_c9"), "a[3].b._c9", id="deep"),
        pytest.param(("a b", "c"), "$['a b'].c", id="odd-key-at-the-top"),
        pytest.param(("a", "b-c"), "a['b-c']", id="dash"),
        pytest.param(("a", "it's \\"), r"a['it\'s \\']", id="quote"),
        pytest.param(("a", "\n\u202e"), r"a['\n\u202e']", id="not-printable"),
        pytest.param(("a", "1"), "a['1']", id="digit"),
        pytest.param(("a", "é"), "a['é']", id="not-ascii"),
        pytest.param(("a", ""), "a['']", id="empty"),
    ],
)
def test_a_place_is_written_as_a_json_path(
    place: tuple[int | str, ...], path: str
) -> None:
    assert write_path(place) == path


def test_a_general_path_holds_all_items() -> None:
    assert write_path(("a", 3, "b", 0), is_general=True) == "a[*].b[*]"


def test_a_long_key_is_cut_to_be_shown() -> None:
    assert write_path(("a" * 9, "b"), key_chars=3) == "$['aaa…'].b"


keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.lists(keys | st.integers(0, 2), min_size=1, max_size=4))
def test_a_path_names_its_place_and_no_other(place: list[int | str]) -> None:
    body: Any = "here"
    for step in reversed(place):
        other = "elsewhere"
        body = [other] * step + [body] if isinstance(step, int) else {step: body}
    found = compile_path(write_path(tuple(place))).find(body)

    assert [(node.location, node.value) for node in found] == [(tuple(place), "here")]


def test_changes_keep_the_values_and_their_places() -> None:
    assert changes(changed(a=[{"b": 1}], c=2), changed(a=[{"b": 2}], d=None)) == [
        Change(side=Side.BODY, place=("c",), recorded=(2,), requested=()),
        Change(side=Side.BODY, place=("d",), recorded=(), requested=(None,)),
        Change(side=Side.BODY, place=("a", 0, "b"), recorded=(1,), requested=(2,)),
    ]


def test_headers_are_compared_where_the_rules_name_them() -> None:
    rules = Rules(headers=("anthropic-beta", "accept"))
    one, other = (
        Request(
            method="GET",
            target="/v1/models",
            headers=(("anthropic-beta", betas), *more),
        )
        for betas, more in [("b, a", ()), ("a", (("accept", "*/*"),))]
    )

    assert list(find_changes(matched(one, rules), matched(other, rules))) == [
        Change(
            side=Side.HEADER,
            place=("anthropic-beta",),
            recorded=("a, b",),
            requested=("a",),
        ),
        Change(side=Side.HEADER, place=("accept",), recorded=(), requested=("*/*",)),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(json_values, json_values)
def test_there_are_changes_just_where_the_keys_differ(
    one: object, other: object
) -> None:
    recorded, requested = post({"a": one}), post({"a": other})

    assert bool(changes(recorded, requested)) == (
        request_key(recorded) != request_key(requested)
    )
