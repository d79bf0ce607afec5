from __future__ import annotations

from asking import RECORDED, changed, post
from streamtape.core.matching.key import match_input_of
from streamtape.core.misses.nearest import fingerprint_of, likeness, likeness_around
from streamtape.core.model import Request

HELLO, ANSWER, BYE = RECORDED["messages"]


def similarity(a: Request, b: Request) -> tuple[int, ...]:
    both = fingerprint_of(match_input_of(a)), fingerprint_of(match_input_of(b))
    return likeness(*both) + likeness_around(*both)


def test_candidates_are_ordered_by_what_a_person_would_call_alike() -> None:
    requested = post(RECORDED)
    ordered = [
        requested,
        changed(temperature=0),
        changed(temperature=0, max_tokens=1),
        changed(messages=[HELLO, ANSWER, {"role": "user", "content": "By now"}]),
        changed(messages=[HELLO, ANSWER]),
        changed(messages=[{"role": "user", "content": "Hell no"}, ANSWER, BYE]),
        changed(messages=[BYE]),
        changed(model="claude-y"),
        changed(stream=False),
        changed(stream=False, model="claude-y"),
        post(RECORDED, "/v1/messages/count_tokens"),
        Request(method="GET", target="/v1/messages"),
    ]
    scores = [similarity(requested, each) for each in ordered]

    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_requests_that_are_the_same_are_alike_both_ways() -> None:
    one, other = post(RECORDED), changed(temperature=0, messages=[HELLO, BYE])

    assert similarity(one, other) == similarity(other, one)
    assert similarity(one, one) == (1, 1, 1, 3, 0, 0, 0)


def test_what_is_in_no_field_counts_as_a_difference() -> None:
    """Bodies of other kinds, values of the query, and headers that rules name."""
    bare = Request(method="POST", target="/a?x=1", body=b"text")

    for other in (
        Request(method="POST", target="/a?x=2", body=b"text"),
        Request(method="POST", target="/a?x=1&y=2", body=b"text"),
        Request(method="POST", target="/a?x=1", body=b"texts"),
        Request(method="POST", target="/a?x=1", body=b'"text"'),
    ):
        assert similarity(bare, other)[5] < 0 == similarity(bare, bare)[5]
