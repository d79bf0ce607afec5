"""How many values something would become, told without making them."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.format.packing import MAX_VALUES, check_values

NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary(max_size=300)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def count(value: Any) -> int:
    match value:
        case list():
            return 1 + sum(map(count, value))
        case dict():
            return 1 + sum(1 + count(each) for each in value.values())
        case _:
            return 1


@given(NESTED, st.integers(0, 3))
def test_all_values_are_counted(value: Any, missing: int) -> None:
    packed = msgpack.packb(value)
    whole = count(value)

    check_values(packed, most=whole)
    check_values(packed[: len(packed) - missing], most=whole)
    if whole > 1:
        with pytest.raises(ValueError, match=f"a record can't hold {whole} values"):
            check_values(packed, most=whole - 1)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"\xdd\xff\xff\xff\xff", id="list-of-2-to-32"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map-of-2-to-32"),
        pytest.param(b"\xde\x80\x00", id="map-of-2-to-15"),
        pytest.param(b"\xdc\xff\xff" * 2, id="list-in-a-list"),
        pytest.param(b"\x91" * (MAX_VALUES + 1), id="deep"),
        pytest.param(b"\x92" + b"\xdc\x7f\xff" + b"\x91" * 33_000, id="two"),
    ],
)
def test_a_count_is_refused_before_the_values_come(packed: bytes) -> None:
    with pytest.raises(ValueError, match="a record can't hold"):
        check_values(packed)


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\xc6", b"\xc6\xff\xff\xff\xff"])
def test_what_is_no_value_is_left_to_the_one_who_reads_it(packed: bytes) -> None:
    check_values(packed)
