"""
For tests: a fake clock, and a fake upstream with builders of what it answers.

A :class:`FakeUpstream` is a real HTTP server that speaks the Messages API::

    with FakeUpstream([stream_reply(text("Hello"), profile=INSTANT)]) as upstream:
        client = anthropic.Anthropic(base_url=upstream.url, api_key="unused")

Without replies it answers by :func:`default_answers`: each of :data:`SCENARIOS` is
picked by its name in brackets in the prompt. Everything comes out the same in every
run; chance is seeded.
"""

from __future__ import annotations

from streamtape.testing.blocks import (
    PING,
    Block,
    Item,
    Page,
    Stop,
    Wire,
    api_event,
    char_citation,
    error_event,
    raw,
    redacted_thinking,
    refusal,
    server_tool_result,
    server_tool_use,
    text,
    thinking,
    tool_use,
    unknown_block,
    unknown_delta,
    unknown_event,
    web_search_result,
)
from streamtape.testing.clock import FakeClock, Handle
from streamtape.testing.profile import INSTANT, TYPICAL, Profile, Write
from streamtape.testing.prompt import Prompt, SeenRequest
from streamtape.testing.replies import (
    ORGANIZATION_ID,
    Framing,
    Reply,
    ReplyEnding,
    error_reply,
    events_reply,
    json_reply,
    raw_reply,
    stream_reply,
)
from streamtape.testing.scenarios import SCENARIOS, Scenario
from streamtape.testing.script import default_answers
from streamtape.testing.streams import (
    MODEL,
    MessageFields,
    message_json,
    message_stream,
)
from streamtape.testing.upstream import Answers, FakeUpstream

__all__ = [
    "INSTANT",
    "MODEL",
    "ORGANIZATION_ID",
    "PING",
    "SCENARIOS",
    "TYPICAL",
    "Answers",
    "Block",
    "FakeClock",
    "FakeUpstream",
    "Framing",
    "Handle",
    "Item",
    "MessageFields",
    "Page",
    "Profile",
    "Prompt",
    "Reply",
    "ReplyEnding",
    "Scenario",
    "SeenRequest",
    "Stop",
    "Wire",
    "Write",
    "api_event",
    "char_citation",
    "default_answers",
    "error_event",
    "error_reply",
    "events_reply",
    "json_reply",
    "message_json",
    "message_stream",
    "raw",
    "raw_reply",
    "redacted_thinking",
    "refusal",
    "server_tool_result",
    "server_tool_use",
    "stream_reply",
    "text",
    "thinking",
    "tool_use",
    "unknown_block",
    "unknown_delta",
    "unknown_event",
    "web_search_result",
]
