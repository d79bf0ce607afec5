"""
Scenarios with tools: those of the client, and those that the API runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from streamtape.testing.answering import answer, plain_text
from streamtape.testing.blocks import (
    Block,
    JsonObject,
    Page,
    server_tool_use,
    text,
    tool_use,
    web_search_result,
)
from streamtape.testing.prompt import Prompt
from streamtape.testing.replies import Reply

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
    """
    Call one tool, then tell what it said.
    """
    if prompt.tool_results:
        return _from_results(prompt)
    return answer(prompt, text("I'll look that up."), _call(prompt, 0))


def parallel_tools_reply(prompt: Prompt) -> Reply:
    """
    Call two tools at once, then tell what they said.
    """
    if prompt.tool_results:
        return _from_results(prompt)
    return answer(prompt, text("Two at once."), _call(prompt, 0), _call(prompt, 1))


def tool_loop_reply(prompt: Prompt) -> Reply:
    """
    Call a tool, then another, then tell what it said: three turns of an agent.
    """
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
    """
    Return a value that a JSON schema allows, with the required properties only.
    """
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
    """
    Answer with a web search and what it found.
    """
    return _search(prompt, *_PAGES)


def large_event_reply(prompt: Prompt) -> Reply:
    """
    Answer with a web search whose result is one event of more than 300 kB.
    """
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
