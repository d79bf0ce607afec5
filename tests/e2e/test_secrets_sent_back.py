"""What a model says in pieces comes back in the next turn, and must match there."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

import anthropic
import pytest

import streamtape
from planting import KEYS
from streamtape.testing import (
    FakeUpstream,
    Reply,
    SeenRequest,
    message_stream,
    raw_reply,
    text,
    tool_use,
)

_TOOL: Final[Any] = {"name": "use", "input_schema": {"type": "object"}}


def converse(base_url: str) -> list[str]:
    """Ask twice, the second time with all that was said; return the reasons to stop."""
    asked: list[Any] = [{"role": "user", "content": "Which key?"}]
    reasons = []
    with anthropic.Anthropic(
        base_url=base_url, api_key="none", max_retries=0
    ) as client:
        for _ in range(2):
            with client.messages.stream(
                model="claude-demo", max_tokens=99, messages=asked, tools=[_TOOL]
            ) as stream:
                message = stream.get_final_message()
            reasons.append(str(message.stop_reason))
            said = [
                {"type": "text", "text": block.text}
                if block.type == "text"
                else {
                    "type": "tool_use",
                    **block.model_dump(include={"id", "name", "input"}),
                }
                for block in message.content
            ]
            asked += [
                {"role": "assistant", "content": said},
                {"role": "user", "content": "And now?"},
            ]
    return reasons


@pytest.mark.parametrize("place", ["text", "tool"])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_in_pieces_that_is_sent_back_is_a_hit(
    name: str, place: str, tmp_path: Path
) -> None:
    key = KEYS[name](Random(9)).text

    def answer(seen: SeenRequest) -> Reply:
        if len(seen.json["messages"]) > 1:
            return raw_reply(b"".join(message_stream(text("Done."))))
        said = f"Use {key} now"
        block = text(said) if place == "text" else tool_use("use", {"key": said})
        return raw_reply(b"".join(message_stream(block)))

    with (
        FakeUpstream(answer) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recorder,
    ):
        live = converse(recorder.base_url)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = converse(replay.base_url)

    assert replayed == live
    assert replay.summary.counts == {"replayed": 2}
