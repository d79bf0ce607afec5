from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import post
from streamtape.core.matching.key import match_input_of, request_key
from streamtape.core.matching.replace import replace_texts
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request
from streamtape.errors import UsageError

CATASTROPHIC = "(a|aa)+$"
NESTED = "(a+)+$"


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

    assert match_input_of(form, rules).body == {
        "parts": [{"filename": "a#.txt", "content": "day #"}]
    }
    assert match_input_of(text, rules).body == "day #, not #"


@pytest.mark.parametrize("text", [r"\1", r"\g<a>", r"\\", r"\n", "$1", "", "é"])
def test_what_is_put_in_is_taken_as_it_is(text: str) -> None:
    assert replace_texts("-x-", (("(?P<a>x)", text),)) == f"-{text}-"


def test_replacements_are_made_in_their_order() -> None:
    assert replace_texts("a", (("a", "b"), ("b", "c"))) == "c"
    assert replace_texts("a", (("b", "c"), ("a", "b"))) == "b"


def test_half_a_surrogate_pair_can_be_replaced() -> None:
    assert replace_texts(["\ud83dx", "x\udcff"], (("x", ""),)) == ["\ud83d", "\udcff"]


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

    assert replace_texts(short, ((NESTED, "b"),)) == short
    with pytest.raises(UsageError, match="takes longer than"):
        replace_texts("a" * 100_000 + "!", ((NESTED, "b"),))


@pytest.mark.case(80)
def test_many_texts_that_each_take_a_little_are_bounded_together() -> None:
    """Every look at the clock finds that 10 ms have passed."""
    times_ns = itertools.count(step=10_000_000)
    rules = Rules(replace=(("a", "b"),), headers=("accept",), cpu_ns=times_ns.__next__)
    long, changed = "a" * 501, "b" * 501
    texts = [long] * 20

    def asked(texts: list[str]) -> Request:
        query = "&".join(f"{number}={long}" for number in range(20))
        return replace(
            post(texts, f"/v1/messages?{query}"), headers=(("accept", long),)
        )

    assert match_input_of(asked(texts), rules).body == [changed] * 20
    assert match_input_of(asked(texts), rules).headers == {"accept": changed}
    with pytest.raises(UsageError) as caught:
        request_key(asked(texts * 2), rules)

    assert "the patterns take longer than 0.5 s on the texts of one" in str(
        caught.value
    )


def test_the_time_of_one_pattern_is_not_that_of_the_next() -> None:
    """Every look at the clock finds that 10 ms have passed, 0.48 s in all."""
    times_ns = itertools.count(step=10_000_000)
    rules = Rules(replace=(("a", "b"),) * 4, cpu_ns=times_ns.__next__)

    assert match_input_of(post(["a" * 501] * 12), rules).body == ["b" * 501] * 12


def test_a_long_text_may_take_as_long_as_a_linear_pattern_needs() -> None:
    """Every look at the clock finds that a second has passed."""
    times_ns = itertools.count(step=1_000_000_000)
    rules = Rules(replace=(("x", "y"),), cpu_ns=times_ns.__next__)

    assert (
        match_input_of(post(["a" * 5_000_000] * 2), rules).body == ["a" * 5_000_000] * 2
    )


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
        replace_texts(["aab", ""], ((pattern, "x"),))


def test_a_short_text_that_is_everywhere_is_looked_at_once() -> None:
    """Under other replacements it is another one."""
    times_ns = itertools.count(step=10_000_000)
    rules = Rules(replace=(("me", "you"),), cpu_ns=times_ns.__next__)
    texts = ["come"] * 1000

    assert match_input_of(post(texts), rules).body == ["coyou"] * 1000
    assert replace_texts("come", (("me", "them"),)) == "cothem"
    assert replace_texts("come", (("me", "you"), ("co", ""))) == "you"


@pytest.mark.case(80)
def test_the_time_of_other_threads_is_not_that_of_a_pattern() -> None:
    """A pattern that is simple is no error, however much goes on beside it."""
    text, dates = "x 2026-01-02 " * 60_000, ((r"\d{4}-\d\d-\d\d", "<d>"),)

    with ThreadPoolExecutor(12) as threads:
        replaced = list(threads.map(lambda _: replace_texts(text, dates), range(12)))

    assert set(replaced) == {"x <d> " * 60_000}
