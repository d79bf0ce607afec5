from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asking import changed, post
from streamtape.core.matching.key import match_input_of, request_key
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.diff import Change, Side, find_changes
from streamtape.core.model import Request


def changes(recorded: Request, requested: Request) -> list[Change]:
    return list(find_changes(match_input_of(recorded), match_input_of(requested)))


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

    assert list(
        find_changes(match_input_of(one, rules), match_input_of(other, rules))
    ) == [
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
