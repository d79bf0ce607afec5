from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import post
from streamtape.core.matching.key import request_key
from streamtape.core.matching.paths import find_places
from streamtape.core.matching.rules import Rules
from streamtape.errors import UsageError

BODY = {"a": [{"b": 1, "1": "a"}, [0, "b"]], "0": None}


def deep(levels: int, inner: object) -> object:
    for _ in range(levels):
        inner = [inner]
    return {"a": inner}


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
        list(find_places([path], BODY, size_bytes=0))


@pytest.mark.case(80)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("$..*..*..*..*", deep(190, list(range(9))), id="descendants"),
        pytest.param("$.a" + "[0, 0, 0, 0]" * 15, deep(15, 1), id="the-same-again"),
        pytest.param("$..[?count($..*) > 1]", {"a": [0] * 2000}, id="filter"),
        pytest.param("$..[?@..[?@..[?@..b]]]", deep(190, [[]] * 9), id="in-a-filter"),
        pytest.param("a" + "[0, 0]" * 8 + "[?@.b]", deep(8, [0] * 3000), id="scalars"),
        pytest.param("a[?$.a[?$.b > 1]]", {"a": [0] * 600}, id="from-the-root"),
        pytest.param(
            "a[?count($.a[?@ == $.a[0]]) > 9]",
            {"a": [deep(90, 1)] * 200},
            id="comparing",
        ),
        pytest.param("a" + "[0:1, 0:1]" * 18, deep(18, 1), id="slices"),
    ],
)
def test_a_path_that_looks_at_too_much_ends_in_an_error_that_names_it(
    path: str, body: object
) -> None:
    """It counts what is looked at, so the error is the same on any machine."""
    rules = Rules(ignore=("model", path))
    request = post(body)

    with pytest.raises(UsageError) as caught:
        request_key(request, rules)

    limit = 250_000 + 2 * len(request.body) // 2
    assert str(caught.value) == (
        f"ignore: the paths look at more than {limit:,} places of one request, "
        f"{path!r} at the last of them; make it simpler"
    )


@pytest.mark.case(80)
def test_many_paths_share_what_they_may_look_at() -> None:
    body, each = {"a": list(range(40_000))}, "a[*]"

    assert len(list(find_places([each] * 3, body, size_bytes=0))) == 120_000
    with pytest.raises(UsageError, match="more than 250,000 places"):
        list(find_places([each] * 4, body, size_bytes=0))


@pytest.mark.parametrize("count", [3, 6])
def test_filters_within_each_other_do_not_exhaust_the_stack(count: int) -> None:
    path = "@.a"
    for _ in range(count):
        path = f"$..[?{path}]"

    with suppress(UsageError):
        list(find_places([path], deep(198, 1), size_bytes=0))


@pytest.mark.parametrize("path", ["$..*", "$..b", "a[*].b", "$..[?@.b]"])
def test_a_long_body_may_be_walked_through_by_simple_paths(path: str) -> None:
    """By as many as there are, whatever is in it."""
    body = {"a": [{"b": number, "c": "some text"} for number in range(8_000)]}
    size_bytes = len(json.dumps(body))

    found = list(find_places([path] * 3, body, size_bytes=size_bytes))

    assert len(found) >= 3 * 8_000


def test_a_request_that_was_refused_takes_nothing_from_the_next() -> None:
    body = {"a": list(range(80_000))}
    for _ in range(3):
        assert len(list(find_places(["a[*]"], body, size_bytes=0))) == 80_000
        with pytest.raises(UsageError):
            list(find_places(["$..[*, *, *, *]"], body, size_bytes=0))
