"""
What is left of a conversation, and which requests that makes equal; more of these
are told by the tests of the presets.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_turns import CLOSE, MARK, OPEN, answered, key, text, turn
from streamtape.core.matching.agent_context import coarse_body, without_reminders
from streamtape.core.matching.presets import Preset


@pytest.mark.parametrize(
    ("told", "rest"),
    [
        ("plain", "plain"),
        (f"{OPEN}a{CLOSE}", ""),
        (f" {OPEN}says {CLOSE} too{CLOSE}\n", ""),
        (f"a{OPEN}b{CLOSE}c{OPEN}d{CLOSE}e", "ace"),
        (f"a {OPEN} b", f"a {OPEN} b"),
    ],
)
def test_a_text_without_its_reminders(told: str, rest: str) -> None:
    assert without_reminders(told) == rest


def test_what_was_said_is_left_of_a_body() -> None:
    body = {
        "model": "m",
        "stream": True,
        "max_tokens": 9,
        "system": "Be brief.",
        "tools": [{"name": "Bash"}],
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "system", "content": "The date has changed."},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "found"},
                    {"type": "text", "text": f"{OPEN}Be kind.{CLOSE}"},
                ],
            },
        ],
    }

    assert coarse_body(body) == {
        "model": "m",
        "stream": True,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {
                        "type": "tool_use",
                        "id": "tool-1",
                        "name": "Bash",
                        "input": {"a": 1},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "tool-1",
                        "content": [{"type": "text", "text": "found"}],
                    }
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"messages": 3}, id="no-list"),
        pytest.param({}, id="nothing"),
        pytest.param({"messages": [3, {"role": "user"}]}, id="odd-messages"),
    ],
)
def test_a_body_of_another_shape_leaves_nothing_to_say(body: dict[str, object]) -> None:
    assert not coarse_body(body).get("messages")


def two_calls(*results: tuple[str, str], failed: bool = False) -> dict[str, Any]:
    """Return a turn with two calls at once, and their results."""
    calls = [
        {"type": "tool_use", "id": name, "name": "Read", "input": {"file": name[-1]}}
        for name in sorted(name for name, _ in results)
    ]
    blocks = [
        {"type": "tool_result", "tool_use_id": name, "content": found}
        | ({"is_error": True} if failed else {})
        for name, found in results
    ]
    return answered(
        turn(),
        {"role": "assistant", "content": calls},
        {"role": "user", "content": blocks},
    )


def test_which_result_belongs_to_which_call_counts_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    one = two_calls(("toolu_1", "x"), ("toolu_2", "y"))
    renamed = json.loads(json.dumps(one).replace("toolu_", "t_"))

    assert key(two_calls(("toolu_2", "x"), ("toolu_1", "y")), coarse) != key(
        one, coarse
    )
    assert key(renamed, coarse) == key(one, coarse)
    assert key(renamed, Preset.AGENT) != key(one, Preset.AGENT)


def test_whether_a_tool_failed_counts_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    failed, one = (
        two_calls(("1", "x"), ("2", "y"), failed=failed) for failed in (True, False)
    )
    said_so = json.loads(json.dumps(failed).replace("true}", "false}"))

    assert key(failed, coarse) != key(one, coarse) == key(said_so, coarse)


def test_the_coarse_preset_sees_no_thinking_and_every_image() -> None:
    def body(*blocks: object) -> dict[str, Any]:
        return answered(turn(), {"role": "assistant", "content": [text("x"), *blocks]})

    coarse = Preset.AGENT_COARSE
    image = {"type": "image", "source": {"data": "aa"}}
    other = {"type": "image", "source": {"data": "bb"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}

    assert key(body(thought), coarse) == key(body(), coarse)
    assert key(body(image), coarse) != key(body(other), coarse)
    assert key(body({**image, "cache_control": MARK}), coarse) == key(
        body(image), coarse
    )


def test_words_of_the_user_around_reminders_count_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    shapes = [
        f"{OPEN}a{CLOSE}\n%s\n{OPEN}b{CLOSE}",
        f"what is {OPEN} in %s",
        f"%s {OPEN}a{CLOSE}",
        f"{OPEN}a{CLOSE}%s",
        f"{CLOSE} %s {OPEN}",
    ]
    for shape in shapes:
        assert key(turn(shape % "one"), coarse) != key(turn(shape % "two"), coarse)
