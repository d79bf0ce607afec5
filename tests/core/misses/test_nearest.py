from __future__ import annotations

from asking import RECORDED, changed, post
from missing import CassetteInfo, read
from streamtape.core.matching.key import DEFAULT_RULES, match_input_of
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.nearest import Recorded, find_nearest, fingerprint_of
from streamtape.core.model import Request

HELLO, ANSWER, BYE = RECORDED["messages"]


def nearest(
    requested: Request, *candidates: tuple[str, Request], rules: Rules = DEFAULT_RULES
) -> str | None:
    found = find_nearest(
        fingerprint_of(match_input_of(requested, rules)),
        (CassetteInfo(name, request) for name, request in candidates),
        Recorded(read, rules=rules),
    )
    return None if found is None else found.name


def asks(*texts: str) -> Request:
    return post({"messages": [{"role": "user", "content": text} for text in texts]})


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
