from __future__ import annotations

from dataclasses import dataclass

import pytest

from asking import RECORDED, changed, post
from streamtape.core.matching.key import DEFAULT_RULES, matched
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.nearest import (
    choose_candidates,
    find_nearest,
    first_takes,
    similarity,
)
from streamtape.core.model import Request

MB = 1024 * 1024
HELLO, ANSWER, BYE = RECORDED["messages"]


@dataclass(frozen=True)
class Known:
    name: str
    size_bytes: int = 1

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2]


def nearest(
    requested: Request, *candidates: tuple[str, Request], rules: Rules = DEFAULT_RULES
) -> str | None:
    found = find_nearest(matched(requested, rules), iter(candidates), rules)
    return None if found is None else found.name


def asks(*texts: str) -> Request:
    return post({"messages": [{"role": "user", "content": text} for text in texts]})


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
    scores = [similarity(matched(requested), matched(each)) for each in ordered]

    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_whole_messages_count_before_characters() -> None:
    long = "x" * 5000
    requested = asks("Hi", long + "y", "end")

    assert (
        nearest(
            requested,
            ("characters", asks("Hi", long + "z")),
            ("messages", asks("Hi", long + "y", "other")),
        )
        == "messages"
    )


def test_of_equal_beginnings_the_one_with_as_many_messages_is_nearest() -> None:
    assert (
        nearest(
            asks("Hi", "a", "b"),
            ("a-long", asks("Hi", "c", "d", "e")),
            ("b-equal", asks("Hi", "c", "d")),
        )
        == "b-equal"
    )


def test_of_equals_the_first_by_name_is_nearest() -> None:
    candidates = [
        ("model", changed(model="claude-y")),
        ("second", changed(temperature=0)),
        ("first", changed(max_tokens=1)),
    ]

    assert nearest(post(RECORDED), *candidates) == "first"
    assert nearest(post(RECORDED), *reversed(candidates)) == "first"


def test_marks_for_the_cache_make_no_message_another() -> None:
    def marked(index: int) -> Request:
        messages = [dict(message) for message in RECORDED["messages"]]
        block = {"type": "text", "text": "Hello"}
        messages[0]["content"] = [block]
        messages[index]["content"] = [
            {"type": "text", "text": "Bye", "cache_control": {"type": "ephemeral"}}
        ]
        return changed(messages=messages)

    first_turn = ("first-turn", changed(messages=[HELLO]))

    assert nearest(post(RECORDED), first_turn, ("marked", marked(2))) == "marked"


def test_a_query_makes_candidates_without_bodies_differ() -> None:
    requested = Request(method="GET", target="/v1/models?limit=2&beta=true")
    near = ("near", Request(method="GET", target="/v1/models?limit=2"))
    far = ("far", Request(method="GET", target="/v1/models?limit=3"))

    assert nearest(requested, far, near) == "near"


def test_absent_stream_is_as_false() -> None:
    false = post({"messages": [], "stream": False})
    true = post({"messages": [], "stream": True})

    assert nearest(post({"messages": []}), ("a", true), ("false", false)) == "false"


def test_what_the_rules_leave_out_is_no_difference() -> None:
    candidates = [("a", changed(top_k=1)), ("b", changed(temperature=0, top_p=1))]
    rules = Rules(ignore=("temperature", "top_p"))

    assert nearest(post(RECORDED), *candidates) == "a"
    assert nearest(post(RECORDED), *candidates, rules=rules) == "b"


def test_nothing_is_nearest_in_an_empty_library() -> None:
    assert nearest(post(RECORDED)) is None


def test_the_nearest_is_given_with_what_the_key_sees_of_it() -> None:
    request = changed(temperature=0)
    found = find_nearest(matched(post(RECORDED)), [("a", request)], DEFAULT_RULES)

    assert found is not None
    assert found.request is request
    assert found.seen == matched(request)


def test_a_recorded_request_has_one_candidate_in_each_folder() -> None:
    @dataclass(frozen=True)
    class Take:
        name: str
        stem: str
        size_bytes: int = 1

    takes = [
        Take("hi-1a2b3c4d", "hi-1a2b3c4d"),
        Take("hi-1a2b3c4d-2", "hi-1a2b3c4d"),
        Take("chat/hi-1a2b3c4d", "hi-1a2b3c4d"),
        Take("yo-1a2b3c4d", "yo-1a2b3c4d"),
    ]

    assert first_takes(takes) == [takes[0], takes[2], takes[3]]


@pytest.mark.parametrize(
    ("count", "size_bytes"),
    [pytest.param(8000, 1024, id="many"), pytest.param(4, 4 * MB, id="large")],
)
def test_all_of_a_small_library_is_compared(count: int, size_bytes: int) -> None:
    known = [Known(f"a-{i:08x}", size_bytes) for i in range(count)]

    found = choose_candidates(matched(asks("Hi")), known, body_bytes=9)

    assert {each.name for each in found} == {each.name for each in known}


@pytest.mark.parametrize(
    ("size_bytes", "chosen"),
    [
        pytest.param(4 * MB, 4, id="at-least-4"),
        pytest.param(MB // 4, 32, id="8-mb"),
    ],
)
def test_of_a_large_library_so_much_is_compared_as_a_client_waits_for(
    size_bytes: int, chosen: int
) -> None:
    known = [Known(f"a-{i:08x}", size_bytes) for i in range(100)]

    found = choose_candidates(matched(asks("Hi")), known, body_bytes=9)

    assert len(found) == chosen


def test_names_tell_which_candidates_come_first() -> None:
    seen = matched(asks("What is 1?", "And two?", "And now three?"))
    first = [
        Known("z/and-now-three-0badcafe", MB),
        Known("and-two-0badcafe", MB),
        Known("what-is-1-0badcafe", MB),
        Known("and-now-what-0badcafe", MB),
        Known("and-a-0badcaff", MB // 2),
        Known("and-a-0badcafe", MB),
    ]
    others = [Known(f"aside-{i:08x}", 1000) for i in range(20)]
    known = [*others, *reversed(first)]
    found = choose_candidates(seen, [*known, Known("z", 8 * MB)], body_bytes=MB // 2)

    assert found[:7] == [*first, others[0]]
