from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import post
from streamtape.core.matching.key import request_key
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.tool_ids import rename_tool_ids


def conversation(call: str, other: str) -> dict[str, Any]:
    return {
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": call, "name": "t", "input": {"id": 1}},
                    {"type": "server_tool_use", "id": other, "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": other, "content": "o"},
                    {"type": "tool_result", "tool_use_id": call, "content": "c"},
                ],
            },
        ]
    }


@given(st.text(), st.text())
def test_ids_of_tool_calls_count_by_their_order_alone(call: str, other: str) -> None:
    rules = Rules(rename_ids=True)
    renamed = request_key(post(conversation(call, other)), rules)

    assert (renamed == request_key(post(conversation("a", "b")), rules)) == (
        call != other
    )


def test_without_the_rule_the_ids_count() -> None:
    one, other = post(conversation("a", "b")), post(conversation("a", "c"))

    assert request_key(one) != request_key(other)


def test_a_result_of_another_call_is_another_request() -> None:
    rules = Rules(rename_ids=True)
    swapped = conversation("a", "b")
    swapped["messages"][1]["content"][0]["tool_use_id"] = "a"
    swapped["messages"][1]["content"][1]["tool_use_id"] = "b"

    assert request_key(post(swapped), rules) != request_key(
        post(conversation("a", "b")), rules
    )


def test_other_ids_stay() -> None:
    body = {
        "container": {"id": "c"},
        "messages": [
            {"id": "m", "content": [{"type": "image", "id": "i"}, "tool_use"]}
        ],
    }

    assert rename_tool_ids(body) == body


@pytest.mark.parametrize(
    "body", [None, [], "messages", {"messages": 1}, {"messages": [1, None, []]}]
)
def test_ids_are_looked_for_in_any_body(body: object) -> None:
    assert rename_tool_ids(body) == body


def test_ids_that_are_no_text_stay() -> None:
    body = {"messages": [{"type": "tool_use", "id": [1], "tool_use_id": None}]}

    assert rename_tool_ids(body) == body


@pytest.mark.parametrize(
    "given",
    [
        {"tool_use_id": "process-1"},
        {"type": "server_tool_use", "id": "a"},
        {"in": [{"type": "tool_use", "id": "a"}]},
    ],
    ids=["key", "block", "deep"],
)
def test_what_a_tool_is_given_is_not_renamed(given: dict[str, object]) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "kill", "input": given}
    messages = [{"role": "assistant", "content": [block]}]

    assert rename_tool_ids({"messages": messages}) == {
        "messages": [{"role": "assistant", "content": [{**block, "id": "tool-1"}]}]
    }
