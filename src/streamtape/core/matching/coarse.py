"""
What was said in a conversation, apart from all that an agent adds to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamtape.core.matching.tool_ids import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPEN_REMINDER: Final = "<system-reminder>"
CLOSE_REMINDER: Final = "</system-reminder>"

_SPEAKERS: Final = ("user", "assistant")


def coarse_body(body: dict[str, Any]) -> dict[str, Any]:
    """
    Return the model, whether it streams, and what user, assistant and tools said.
    """
    kept: dict[str, Any] = {}
    kept.update((key, body[key]) for key in ("model", "stream") if key in body)
    messages = body.get("messages")
    # Which result belongs to which call counts, and not what they are called.
    names = Names()
    if isinstance(messages, list):
        kept["messages"] = [
            {"role": message["role"], "content": blocks}
            for message in messages
            if isinstance(message, dict) and message.get("role") in _SPEAKERS
            if (blocks := list(_said(message.get("content"), names)))
        ]
    return kept


def _said(content: Any, names: Names) -> Iterator[object]:
    """
    Yield the blocks of one message, each with no more than what was said.

    Args:
        names: Of the ids of tool calls.
    """
    match content:
        case str():
            blocks: list[Any] = [{"type": "text", "text": content}]
        case list():
            blocks = content
        case _:
            blocks = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                if said := without_reminders(text).strip():
                    yield {"type": "text", "text": said}
            case {"type": "tool_use", "id": tool, "name": name, "input": given}:
                call = {"type": "tool_use", "id": names.name(tool)}
                yield {**call, "name": name, "input": given}
            case {"type": "tool_result", "tool_use_id": tool}:
                told = list(_said(block.get("content"), names))
                failed = {"is_error": True} if block.get("is_error") is True else {}
                result = {"type": "tool_result", "tool_use_id": names.name(tool)}
                yield {**result, "content": told, **failed}
            case {"type": "thinking" | "redacted_thinking"}:
                continue
            case _:
                yield block


def without_reminders(text: str) -> str:
    """
    Return a text without what an agent put in between for the model.
    """
    return change_reminders(text, lambda _: "")


def change_reminders(text: str, change: Callable[[str], str]) -> str:
    """
    Return a text in which what an agent put in between, tags included, is changed.
    """
    if _is_reminder(text):
        # What it quotes, a commit's subject say, may hold the closing tag too.
        return change(text)
    first, *rest = text.split(OPEN_REMINDER)
    pieces = [first]
    for piece in rest:
        told, close, behind = piece.partition(CLOSE_REMINDER)
        reminder = OPEN_REMINDER + told + close
        pieces.append(f"{change(reminder)}{behind}" if close else reminder)
    return "".join(pieces)


def _is_reminder(text: str) -> bool:
    stripped = text.strip()
    is_one = stripped.startswith(OPEN_REMINDER) and stripped.endswith(CLOSE_REMINDER)
    return is_one and stripped.count(OPEN_REMINDER) == 1
