"""
What the default script answers to a prompt: plain text, or the scenario that it names.

Tools that are called, and failures: before the stream, in it, or in the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from streamtape.testing.blocks import (
    Block,
    Item,
    JsonObject,
    Page,
    char_citation,
    error_event,
    redacted_thinking,
    refusal,
    server_tool_use,
    text,
    thinking,
    tool_use,
    unknown_block,
    unknown_delta,
    unknown_event,
    web_search_result,
)
from streamtape.testing.profile import Write
from streamtape.testing.prompt import Prompt
from streamtape.testing.replies import (
    ORGANIZATION_ID,
    Reply,
    ReplyEnding,
    error_reply,
    events_reply,
    json_reply,
    stream_reply,
)
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
    """Answer with a few sentences that quote the prompt."""
    asked = prompt.text if len(prompt.text) <= 200 else f"{prompt.text[:200]}…"
    return answer(prompt, text(f"You asked: “{asked}”. Here is what I know. {STORY}"))


_WEATHER: Final[JsonObject] = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["location", "days"],
    },
}
_PAGES: Final = (
    Page("Tides and ferries", "https://example.com/tides", page_age="3 days ago"),
    Page("A short history of harbours", "https://example.org/harbours"),
)
_LARGE: Final = 225_000
"""Base64 makes more than 300 kB of it."""


def tool_reply(prompt: Prompt) -> Reply:
    """Call one tool, then tell what it said."""
    if prompt.tool_results:
        return _from_results(prompt)
    return answer(prompt, text("I'll look that up."), _call(prompt, 0))


def parallel_tools_reply(prompt: Prompt) -> Reply:
    """Call two tools at once, then tell what they said."""
    if prompt.tool_results:
        return _from_results(prompt)
    return answer(prompt, text("Two at once."), _call(prompt, 0), _call(prompt, 1))


def tool_loop_reply(prompt: Prompt) -> Reply:
    """Call a tool, then another, then tell what it said: three turns of an agent."""
    if not prompt.tools:
        return plain_text(prompt)
    match len(prompt.tool_results):
        case 0:
            return answer(prompt, text("First, a look around."), _call(prompt, 0))
        case 1:
            return answer(prompt, text("Now the next step."), _call(prompt, 1))
        case _:
            return _from_results(prompt)


def _call(prompt: Prompt, number: int) -> Block:
    tools = prompt.tools or (_WEATHER,)
    tool = tools[number % len(tools)]
    return tool_use(tool["name"], _example(tool["input_schema"]))


def _from_results(prompt: Prompt) -> Reply:
    return answer(prompt, text(f"All done. It said: “{prompt.tool_results[-1]}”."))


def _example(schema: Mapping[str, Any]) -> Any:
    """Return a value that a JSON schema allows, with the required properties only."""
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            return {name: _example(properties.get(name, {})) for name in required}
        case "array":
            return [_example(schema.get("items", {}))]
        case "integer" | "number":
            return 3
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "Zürich"


def server_tool_reply(prompt: Prompt) -> Reply:
    """Answer with a web search and what it found."""
    return _search(prompt, *_PAGES)


def large_event_reply(prompt: Prompt) -> Reply:
    """Answer with a web search whose result is one event of more than 300 kB."""
    return _search(prompt, replace(_PAGES[0], size=_LARGE))


def _search(prompt: Prompt, *pages: Page) -> Reply:
    cited = {
        "type": "web_search_result_location",
        "cited_text": "The first ferry leaves with the tide.",
        "url": pages[0].url,
        "title": pages[0].title,
        "encrypted_index": "RW8xCg==",
    }
    return answer(
        prompt,
        text("I'll search for that."),
        server_tool_use("web_search", {"query": "first ferry café harbour"}),
        web_search_result(*pages),
        text("The first ferry leaves with the tide.", citations=[cited]),
        usage={"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
    )


def error_first_reply(prompt: Prompt) -> Reply:
    """Answer with a stream that is an error and nothing else."""
    if not prompt.is_stream:
        return overloaded_reply(prompt)
    return events_reply([error_event().raw], profile=prompt.profile)


def error_midway_reply(prompt: Prompt) -> Reply:
    """Answer with a stream that ends with an error within a block."""
    if not prompt.is_stream:
        return error_reply(500, "api_error", "Internal server error")
    return answer(prompt, text(STORY), error_event())


def overloaded_reply(_: Prompt) -> Reply:
    """Answer that the API is overloaded, to be asked again in a second."""
    return error_reply(
        529, "overloaded_error", "Overloaded", retry_after=1, should_retry=True
    )


def rate_limited_reply(_: Prompt) -> Reply:
    """
    Answer that the rate limit is reached; names the organization, as the API does.
    """
    message = (
        "This request would exceed your organization's rate limit of 50 requests "
        f"per minute (org: {ORGANIZATION_ID})."
    )
    return error_reply(
        429, "rate_limit_error", message, retry_after=2, should_retry=True
    )


def bad_request_reply(_: Prompt) -> Reply:
    """Answer that the request is wrong."""
    return error_reply(
        400, "invalid_request_error", "max_tokens: must be greater than 0"
    )


def too_large_reply(_: Prompt) -> Reply:
    """Answer that the request is too large."""
    return error_reply(
        413, "request_too_large", "Request exceeds the maximum allowed bytes."
    )


def needs_key_reply(prompt: Prompt) -> Reply:
    """Answer only if there is a key, whatever its value."""
    if prompt.has_key:
        return plain_text(prompt)
    return error_reply(401, "authentication_error", "x-api-key header is required")


def broken_reply(ending: ReplyEnding) -> Scenario:
    """Return a scenario whose answer stops midway through an event."""

    def scenario(prompt: Prompt) -> Reply:
        whole = plain_text(prompt)
        middle = len(whole.writes) // 2
        offset_ns, raw = whole.writes[middle]
        part = Write(offset_ns, raw[: len(raw) // 2])
        return replace(whole, writes=(*whole.writes[:middle], part), ending=ending)

    return scenario


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
