from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.paths import find_places
from streamtape.core.misses.diff import write_path


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
    found = find_places([write_path(tuple(place))], body, size_bytes=0)

    assert list(found) == [tuple(place)]
