from __future__ import annotations

import pytest

from streamtape.core.matching.takes import is_retried, scale_waits, without_retries
from streamtape.core.pacing import INSTANT


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_the_sdks_ask_again_for_is_a_retry(status: int) -> None:
    assert is_retried(status)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 413, 424])
def test_what_the_sdks_take_as_an_answer_is_none(status: int) -> None:
    assert not is_retried(status)


@pytest.mark.parametrize(
    ("statuses", "kept"),
    [
        pytest.param([200], [0], id="one answer"),
        pytest.param([529, 529, 200], [2], id="made good"),
        pytest.param([529, 200, 429, 200], [1, 3], id="twice"),
        pytest.param([200, 529], [0, 1], id="never made good"),
        pytest.param([529, 529], [0, 1], id="failures alone"),
        pytest.param([400, 200], [0, 1], id="an error that nobody retries"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_failures_that_were_made_good_are_skipped(
    statuses: list[int], kept: list[int]
) -> None:
    assert without_retries(statuses) == kept


@pytest.mark.parametrize(
    ("headers", "speed", "scaled"),
    [
        pytest.param({"retry-after": "8"}, 1, {"retry-after": "8"}, id="recorded pace"),
        pytest.param(
            {"retry-after": "8"},
            4,
            {"retry-after-ms": "2000", "retry-after": "2"},
            id="whole seconds",
        ),
        pytest.param(
            {"Retry-After": "3"},
            2,
            {"retry-after-ms": "1500", "retry-after": "2"},
            id="rounded up",
        ),
        pytest.param(
            {"retry-after": "30"},
            INSTANT,
            {"retry-after-ms": "1", "retry-after": "0"},
            id="instant",
        ),
        pytest.param(
            {"retry-after": "3", "retry-after-ms": "2500"},
            10,
            {"retry-after-ms": "250", "retry-after": "1"},
            id="both",
        ),
        pytest.param(
            {"retry-after-ms": "2500"}, 0.5, {"retry-after-ms": "5000"}, id="slower"
        ),
        *(
            pytest.param(
                {"retry-after": wait},
                10,
                {"retry-after-ms": exact_ms, "retry-after": whole_s},
                id=wait,
            )
            for wait, exact_ms, whole_s in (
                (".5", "50", "1"),
                ("5.", "500", "1"),
                ("+5", "500", "1"),
                ("1e1", "1000", "1"),
                (" 20 ", "2000", "2"),
                ("0", "1", "0"),
                ("-0", "1", "0"),
                ("1234567890", "123456789000", "123456789"),
                ("1e308", "100000000000000", "100000000000"),
            )
        ),
        *(
            pytest.param({"retry-after": odd}, 10, {"retry-after": odd}, id=odd)
            for odd in ("-1", "nan", "inf", "1e999", "", "5 s", "0x5")
        ),
        pytest.param(
            {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
            10,
            {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
            id="a day",
        ),
        pytest.param(
            {"content-type": "text/plain"},
            10,
            {"content-type": "text/plain"},
            id="none",
        ),
    ],
)
def test_a_wait_is_as_long_as_the_pace_makes_it(
    headers: dict[str, str], speed: float, scaled: dict[str, str]
) -> None:
    assert dict(scale_waits(tuple(headers.items()), speed)) == scaled


def test_other_headers_stay_in_their_order() -> None:
    headers = (("b", "1"), ("retry-after", "2"), ("a", "2"), ("b", "3"))

    scaled = scale_waits(headers, 2)

    assert scaled[:3] == (("b", "1"), ("a", "2"), ("b", "3"))
