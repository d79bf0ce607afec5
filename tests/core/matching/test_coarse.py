"""
What is left of a conversation; which requests that makes equal is told by the
tests of the presets.
"""

from __future__ import annotations

import pytest

from streamtape.core.matching.coarse import CLOSE_REMINDER as CLOSE
from streamtape.core.matching.coarse import OPEN_REMINDER as OPEN
from streamtape.core.matching.coarse import coarse_body, without_reminders


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
