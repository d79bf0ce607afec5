from __future__ import annotations

import json

import pytest

from asking import RECORDED, SYSTEM, changed, post, with_item
from streamtape.core.matching import request_key
from streamtape.core.model import Request
from streamtape.core.nearest import (
    find_nearest,
    miss_message,
    similarity,
)

MISS = """\
POST /v1/messages, model claude-x, 3 messages: no cassette in cassettes/ matches.
The nearest is hello-0a1b2c3d.tape; recorded / requested:
{differences}
Send what was recorded, or record this too: \
streamtape record --mode new_episodes --cassettes cassettes/"""

THREE_MESSAGES = RECORDED["messages"]


@pytest.mark.parametrize(
    ("requested", "differences"),
    [
        pytest.param(
            changed(system=SYSTEM.replace("short", "long")),
            "- system differs at character 43: "
            "'… Answer in one short sentence, and say s…' / "
            "'… Answer in one long sentence, and say so…'",
            id="a-word-of-the-system-prompt",
        ),
        pytest.param(
            with_item("tools", 1, {"name": "grep", "input_schema": {}}),
            "- tools[1] added: name 'grep'",
            id="a-tool-added",
        ),
        pytest.param(
            changed(tools=RECORDED["tools"][1:]),
            "- tools[0] missing: name 'read'",
            id="a-tool-missing",
        ),
        pytest.param(
            changed(temperature=0.5), "- temperature: 1 / 0.5", id="temperature"
        ),
        pytest.param(changed(stream=False), "- stream: true / false", id="stream"),
        pytest.param(
            changed(messages=[THREE_MESSAGES[i] for i in (1, 0, 2)]),
            "- messages in another order from item 0: role 'user', content 'Hello' / "
            "role 'assistant', content [1 item]",
            id="messages-reordered",
        ),
        pytest.param(
            changed(top_k=5, top_p=0.5, temperature=0, max_tokens=1),
            "- max_tokens: 100 / 1\n- temperature: 1 / 0\n- top_k added: 5\n- and more",
            id="many",
        ),
    ],
)
def test_a_miss_tells_what_was_asked_the_nearest_and_what_to_do(
    requested: Request, differences: str
) -> None:
    message = miss_message(
        requested,
        ("hello-0a1b2c3d.tape", post(RECORDED)),
        library="cassettes/",
        exhausted_takes=None,
    )

    assert message == MISS.format(differences=differences)


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        pytest.param(
            changed(model="claude-y"),
            "POST /v1/messages, model claude-y, 3 messages: "
            "no cassette in my tapes matches.\n"
            "The nearest is a.tape; recorded / requested:\n"
            "- model: 'claude-x' / 'claude-y'\n"
            "Send what was recorded, or record this too: "
            "streamtape record --mode new_episodes --cassettes 'my tapes'",
            id="another-model",
        ),
        pytest.param(
            with_item("messages", 3, {"role": "user", "content": "More"}),
            "POST /v1/messages, model claude-x, 4 messages: "
            "no cassette in my tapes matches.\n"
            "The nearest is a.tape; recorded / requested:\n"
            "- messages[3] added: role 'user', content 'More'\n"
            "Send what was recorded, or record this too: "
            "streamtape record --mode new_episodes --cassettes 'my tapes'",
            id="an-extra-turn",
        ),
        pytest.param(
            post(RECORDED, "/v1/v1/messages?beta=true"),
            "POST /v1/v1/messages?beta=true, model claude-x, 3 messages: "
            "no cassette in my tapes matches.\n"
            "The nearest is a.tape; recorded / requested:\n"
            "- path: '/v1/messages' / '/v1/v1/messages'\n"
            "Send what was recorded, or record this too: "
            "streamtape record --mode new_episodes --cassettes 'my tapes'",
            id="another-path",
        ),
        pytest.param(
            Request(
                method="POST",
                target="/v1/messages",
                headers=(("content-type", "text/plain"),),
                body=json.dumps(RECORDED).encode(),
            ),
            "POST /v1/messages: no cassette in my tapes matches.\n"
            "The nearest is a.tape; recorded / requested:\n"
            """- body: {7 keys} / '{"model": "claude-x", "max_tokens": 100,…'\n"""
            "Send what was recorded, or record this too: "
            "streamtape record --mode new_episodes --cassettes 'my tapes'",
            id="not-sent-as-json",
        ),
    ],
)
def test_a_miss_names_the_request_and_the_library_as_they_are(
    requested: Request, message: str
) -> None:
    nearest = ("a.tape", post(RECORDED))

    assert message == miss_message(
        requested, nearest, library="my tapes", exhausted_takes=None
    )


@pytest.mark.parametrize(
    ("takes", "used"),
    [
        pytest.param(1, "the only recorded take of a.tape was used", id="one"),
        pytest.param(2, "all 2 recorded takes of a.tape were used", id="two"),
    ],
)
def test_exhausted_takes_are_told_with_the_options_that_help(
    takes: int, used: str
) -> None:
    request = post({"model": "claude-x", "messages": THREE_MESSAGES[:1]})
    message = miss_message(
        request, ("a.tape", request), library="cassettes/", exhausted_takes=takes
    )

    assert message == (
        f"POST /v1/messages, model claude-x, 1 message: {used}.\n"
        "Replay with --exhausted last to repeat the last one, or --exhausted cycle "
        "to begin again, or record as many as are asked for."
    )


def test_an_empty_library_is_told_with_the_command_that_fills_it() -> None:
    request = Request(method="GET", target="/v1/models?limit=3")
    message = miss_message(request, None, library="cassettes/", exhausted_takes=None)

    assert message == (
        "GET /v1/models?limit=3: no cassette in cassettes/ matches, as it is empty.\n"
        "Record first: streamtape record --cassettes cassettes/"
    )


def test_a_body_that_differs_in_its_kind_alone_is_told_as_that() -> None:
    as_json = Request(method="POST", target="/v1/x", body=b'"hello"')
    as_text = Request(method="POST", target="/v1/x", body=b"hello")
    message = miss_message(
        as_text, ("a.tape", as_json), library="cassettes/", exhausted_takes=None
    )

    assert request_key(as_json) != request_key(as_text)
    assert message.splitlines()[1] == (
        "The nearest is a.tape: only how the body is sent differs."
    )


@pytest.mark.parametrize(
    "char", ["x", "\0", "\u202e", "\ud800", "😀", "'", "\\"], ids=ascii
)
def test_a_message_is_printable_and_below_4_kib_whatever_was_sent(char: str) -> None:
    long = char * 9000

    def ask(leaf: str) -> Request:
        deep: object = leaf
        for _ in range(100):
            deep = {long: deep}
        body = {"model": long, "messages": [], **dict.fromkeys("abcd", deep)}
        return post(body, target=f"/v1/{long}", method=long)

    for nearest in (None, (long, ask(long[1:]))):
        for takes in (None, 2):
            message = miss_message(
                ask(long), nearest, library=long, exhausted_takes=takes
            )
            assert len(message.encode()) < 4096
            assert all(line.isprintable() for line in message.split("\n"))


def test_candidates_are_ordered_by_what_a_person_would_call_alike() -> None:
    requested = post(RECORDED)
    hello, answer, bye = THREE_MESSAGES
    ordered = [
        requested,
        changed(temperature=0),
        changed(temperature=0, max_tokens=1),
        changed(messages=[hello, answer, {"role": "user", "content": "By now"}]),
        changed(messages=[hello, answer]),
        changed(messages=[{"role": "user", "content": "Hell no"}, answer, bye]),
        changed(messages=[bye]),
        changed(model="claude-y"),
        changed(stream=False),
        changed(stream=False, model="claude-y"),
        post(RECORDED, "/v1/messages/count_tokens"),
        Request(method="GET", target="/v1/messages"),
    ]
    scores = [similarity(requested, candidate) for candidate in ordered]

    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_the_nearest_is_the_first_of_the_most_similar() -> None:
    candidates = [
        ("model", changed(model="claude-y")),
        ("first", changed(temperature=0)),
        ("second", changed(max_tokens=1)),
    ]

    assert find_nearest(post(RECORDED), iter(candidates)) == candidates[1]


def test_a_query_makes_candidates_without_bodies_differ() -> None:
    requested = Request(method="GET", target="/v1/models?limit=2&beta=true")
    near = ("near", Request(method="GET", target="/v1/models?limit=2"))
    far = ("far", Request(method="GET", target="/v1/models?limit=3"))

    assert find_nearest(requested, [far, near]) == near


def test_absent_stream_is_as_false() -> None:
    absent = post({"messages": []})
    false = post({"messages": [], "stream": False})
    true = post({"messages": [], "stream": True})

    assert find_nearest(absent, [("true", true), ("false", false)]) == ("false", false)


def test_nothing_is_nearest_in_an_empty_library() -> None:
    assert find_nearest(post(RECORDED), []) is None
