from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.pacing import INSTANT, Pacing, parse_speed
from streamtape.errors import UsageError

MS = 1_000_000


def due_ms(pacing: Pacing, *offsets_ms: int) -> list[float]:
    due_ns = pacing.start()
    return [due_ns(offset_ms * MS) / MS for offset_ms in offsets_ms]


@pytest.mark.parametrize(
    ("pacing", "expected"),
    [
        pytest.param(Pacing(), [400, 420, 420, 5420], id="as-recorded"),
        pytest.param(Pacing(speed=4), [100, 105, 105, 1355], id="four-times"),
        pytest.param(Pacing(speed=0.5), [800, 840, 840, 10840], id="half"),
        pytest.param(Pacing(speed=INSTANT), [0, 0, 0, 0], id="instant"),
        pytest.param(
            Pacing(max_gap_ns=100 * MS), [100, 120, 120, 220], id="long-gaps-cut"
        ),
        pytest.param(
            Pacing(max_gap_ns=100 * MS, speed=10), [10, 12, 12, 22], id="cut-then-sped"
        ),
        pytest.param(
            Pacing(max_gap_ns=6000 * MS), [400, 420, 420, 5420], id="no-gap-is-so-long"
        ),
        pytest.param(Pacing(max_gap_ns=0), [0, 0, 0, 0], id="no-gap-at-all"),
        pytest.param(
            Pacing(speed=INSTANT, max_gap_ns=MS), [0, 0, 0, 0], id="instant-and-cut"
        ),
    ],
)
def test_due_times(pacing: Pacing, expected: list[int]) -> None:
    """Offsets of 400, 420, 420 and 5420 ms are due when the pacing says."""
    assert due_ms(pacing, 400, 420, 420, 5420) == expected


def test_each_replay_starts_anew() -> None:
    """What one replay cut of its silences is nothing to the next."""
    pacing = Pacing(max_gap_ns=100 * MS)

    assert due_ms(pacing, 400) == due_ms(pacing, 400) == [100]


@given(
    st.lists(st.integers(0, 2**50)).map(sorted),
    st.floats(0.001, 1e6),
    st.none() | st.integers(0, 2**50),
)
def test_due_times_never_decrease(
    offsets_ns: list[int], speed: float, max_gap_ns: int | None
) -> None:
    due_ns = Pacing(speed=speed, max_gap_ns=max_gap_ns).start()

    due = [due_ns(offset_ns) for offset_ns in offsets_ns]

    assert due == sorted(due)
    assert all(value >= 0 for value in due)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("10", 10),
        ("10x", 10),
        ("10X", 10),
        (" 2 ", 2),
        ("0.001", 0.001),
        ("instant", math.inf),
        (" Instant ", math.inf),
    ],
)
def test_a_speed_is_read(text: str, expected: float) -> None:
    assert parse_speed(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "fast", "0", "-1", "nan", "inf", "1e999", "1xx", "1e-300"]
)
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 1 or 10, or instant"):
        parse_speed(text)


def test_the_slowest_speed_bears_the_longest_recording() -> None:
    due_ns = Pacing(speed=parse_speed("0.001")).start()

    assert due_ns(2**62 - 1) > 2**62
