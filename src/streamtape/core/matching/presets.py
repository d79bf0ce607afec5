"""
Rules that come with streamtape, for agents whose requests never repeat by themselves.

Claude Code, and the agent SDK which runs it, tell the model about the machine: the
folder, the home, the git status, the day. All that is replaced here by what it is
in every run, as the request itself says what it was. What the user says is not: there
another day or folder is another question.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from streamtape.core.matching.agent_context import (
    IN_EVERY_RUN,
    change_reminders,
    coarse_body,
    is_agent_context,
    named_paths,
    replace_rows,
    without_git_status,
)
from streamtape.core.matching.body import map_texts
from streamtape.core.model import find_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamtape.core.model import Request


class Preset(StrEnum):
    """Which rules of ours apply."""

    AUTO = "auto"
    """``agent`` for clients whose user agent begins with ``claude-cli/``."""
    NONE = "none"
    AGENT = "agent"
    """Another folder, home, git state, machine and day make no difference."""
    AGENT_COARSE = "agent-coarse"
    """
    Only what user, model and tools said counts: a new version of the agent, with
    another system text and other tools, makes no difference either.
    """


_AGENT: Final = "claude-cli/"


def is_for_agent(preset: Preset, request: Request) -> bool:
    """Whether a preset changes how a request is matched."""
    if preset is Preset.AUTO:
        agent = find_header(request.headers, "user-agent") or ""
        return agent.startswith(_AGENT)
    return preset is not Preset.NONE


def apply_preset(preset: Preset, request: Request, body: Any) -> Any:
    """Return what the key sees of a JSON body under a preset."""
    if not is_for_agent(preset, request) or not isinstance(body, dict):
        return body
    paths = named_paths(body)

    def by_agent(text: str) -> str:
        return replace_rows(without_git_status(text), (*paths, *IN_EVERY_RUN))

    def by_tool(text: str) -> str:
        return replace_rows(text, paths)

    changed = dict(body)
    if "system" in body:
        changed["system"] = map_texts(body["system"], by_agent)
    if isinstance(messages := body.get("messages"), list):
        changed["messages"] = [
            plain_message(_change_message(message, by_agent, by_tool))
            for message in messages
            if not is_agent_context(message)
        ]
    return coarse_body(changed) if preset is Preset.AGENT_COARSE else changed


def _change_message(
    message: Any, by_agent: Callable[[str], str], by_tool: Callable[[str], str]
) -> Any:
    """
    Return a message with what the agent put into it changed, and what tools got and
    gave.
    """
    match message:
        case {"role": "system"}:
            return map_texts(message, by_agent)
        case {"role": "user", "content": str(text)}:
            return {**message, "content": change_reminders(text, by_agent)}
        case {"role": "user", "content": [*blocks]}:
            kept = [block for block in blocks if not is_agent_context(block)]
            content = [_change_block(block, by_agent, by_tool) for block in kept]
            return {**message, "content": content}
        case {"content": [*blocks]}:
            # What the model says comes back as it was recorded.
            content = [_change_block(block, str, by_tool) for block in blocks]
            return {**message, "content": content}
        case _:
            return message


def _change_block(
    block: Any, by_agent: Callable[[str], str], by_tool: Callable[[str], str]
) -> Any:
    match block:
        case {"type": "text", "text": str(text)}:
            return {**block, "text": change_reminders(text, by_agent)}
        case {"type": "tool_use", "input": given}:
            return {**block, "input": map_texts(given, by_tool)}
        case {"type": "tool_result", "content": result}:
            return {**block, "content": map_texts(result, by_tool)}
        case _:
            return block


def plain_message(message: Any) -> Any:
    """
    Return a message with its content as blocks, without marks for the cache.

    The last message alone is sent so, and on a new day it is another one.
    """
    match message:
        case {"content": str(text)}:
            return {**message, "content": [{"type": "text", "text": text}]}
        case {"content": [*blocks]}:
            return {**message, "content": [*map(_without_cache_mark, blocks)]}
        case _:
            return message


def _without_cache_mark(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {key: block[key] for key in block if key != "cache_control"}
