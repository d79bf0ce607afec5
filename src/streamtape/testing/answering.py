"""
From what a model says to a reply, streamed or not as the prompt asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from streamtape.testing.blocks import Item, text
from streamtape.testing.prompt import Prompt
from streamtape.testing.replies import Reply, json_reply, stream_reply
from streamtape.testing.streams import MessageFields, message_json

Scenario: TypeAlias = Callable[[Prompt], Reply]
"""What the default script answers to a prompt."""

STORY: Final = (
    "Down at the harbour (it was not yet six) the ferry's lamps were lit. "
    "“Two for Zürich,” said the clerk, “and one for the cat?” Nobody laughed. "
    "The engine coughed, the gulls went up, and behind the breakwater the day began."
)
"""Made-up text, with characters of two and three bytes."""


def answer(
    prompt: Prompt, *items: Item, usage: Mapping[str, Any] | None = None
) -> Reply:
    """
    Return the items as a message of the model that was asked for.

    Args:
        usage: Counters of the finished message, in place of the made-up ones.
    """
    fields: MessageFields = {
        "model": prompt.model,
        "seed": prompt.seed,
        "usage": {"input_tokens": prompt.input_tokens, **(usage or {})},
    }
    if prompt.is_stream:
        return stream_reply(*items, profile=prompt.profile, pings=2, **fields)
    body = message_json(*items, **fields)
    return json_reply(body, delay_ns=prompt.profile.ttft_ns)


def plain_text(prompt: Prompt) -> Reply:
    """
    Answer with a few sentences that quote the prompt.
    """
    asked = prompt.text if len(prompt.text) <= 200 else f"{prompt.text[:200]}…"
    return answer(prompt, text(f"You asked: “{asked}”. Here is what I know. {STORY}"))
