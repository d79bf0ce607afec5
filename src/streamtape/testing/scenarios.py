"""
The answers of the default script, by name.

Each is what a model or the API does on some day: what it says is made up, how it
comes over the wire is not.
"""

from __future__ import annotations

from typing import Final

from streamtape.testing.answering import STORY, Scenario, answer, plain_text
from streamtape.testing.blocks import (
    char_citation,
    redacted_thinking,
    refusal,
    text,
    thinking,
    unknown_block,
    unknown_delta,
    unknown_event,
)
from streamtape.testing.failures import (
    bad_request_reply,
    broken_reply,
    error_first_reply,
    error_midway_reply,
    needs_key_reply,
    overloaded_reply,
    rate_limited_reply,
    too_large_reply,
)
from streamtape.testing.prompt import Prompt
from streamtape.testing.replies import Reply, ReplyEnding
from streamtape.testing.tools import (
    large_event_reply,
    parallel_tools_reply,
    server_tool_reply,
    tool_loop_reply,
    tool_reply,
)


def _thinking(prompt: Prompt) -> Reply:
    thought = thinking("The user wants an answer. Let me weigh “yes” and “no”.")
    return answer(prompt, thought, text(STORY))


def _redacted(prompt: Prompt) -> Reply:
    return answer(prompt, redacted_thinking(), text(STORY))


def _citations(prompt: Prompt) -> Reply:
    quotes = [
        char_citation(quote, start=STORY.index(quote), document_title="Harbour")
        for quote in ("lamps were lit", "the gulls went up")
    ]
    return answer(
        prompt,
        text("By the text, "),
        text("it was still dark and there were birds", citations=quotes),
        text("."),
    )


def _refusal(prompt: Prompt) -> Reply:
    return answer(prompt, refusal())


def _unknown(prompt: Prompt) -> Reply:
    return answer(
        prompt,
        unknown_event(hint="nobody knows this one"),
        unknown_block(shape="cube"),
        unknown_delta(text(STORY), mood="calm"),
    )


def _long(prompt: Prompt) -> Reply:
    return answer(prompt, text("\n\n".join([STORY] * 24)))


SCENARIOS: Final[dict[str, Scenario]] = {
    "text": plain_text,
    "thinking": _thinking,
    "redacted": _redacted,
    "tool": tool_reply,
    "parallel-tools": parallel_tools_reply,
    "tool-loop": tool_loop_reply,
    "server-tool": server_tool_reply,
    "large-event": large_event_reply,
    "citations": _citations,
    "refusal": _refusal,
    "error-first": error_first_reply,
    "error-midway": error_midway_reply,
    "overloaded": overloaded_reply,
    "rate-limited": rate_limited_reply,
    "bad-request": bad_request_reply,
    "too-large": too_large_reply,
    "needs-key": needs_key_reply,
    "cut": broken_reply(ReplyEnding.CUT),
    "reset": broken_reply(ReplyEnding.RESET),
    "eof": broken_reply(ReplyEnding.EOF),
    "stall": broken_reply(ReplyEnding.STALL),
    "unknown": _unknown,
    "long": _long,
}
"""What a prompt that contains ``[name]`` gets; add your own."""
