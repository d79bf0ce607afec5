"""
What was said in a conversation, apart from all that an agent adds to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if isinstance(messages, list):
        kept["messages"] = [
            {"role": message["role"], "content": blocks}
            for message in messages
            if isinstance(message, dict) and message.get("role") in _SPEAKERS
            if (blocks := list(_said(message.get("content"))))
        ]
    return kept


def _said(content: Any) -> Iterator[object]:
    """
    Yield the blocks of one message, each with no more than what was said.
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
            case {"type": "tool_use", "name": name, "input": given}:
                yield {"type": "tool_use", "name": name, "input": given}
            case {"type": "tool_result", "content": result}:
                yield {"type": "tool_result", "content": list(_said(result))}
            case {"type": "thinking" | "redacted_thinking"}:
                continue
            case _:
                yield block


def without_reminders(text: str) -> str:
    """
    Return a text without what an agent put in between for the model.
    """
    if _is_reminder(text):
        # What it quotes, a commit's subject say, may hold the closing tag too.
        return ""
    first, *rest = text.split(OPEN_REMINDER)
    kept = [first]
    for piece in rest:
        _, close, behind = piece.partition(CLOSE_REMINDER)
        kept.append(behind if close else OPEN_REMINDER + piece)
    return "".join(kept)


def _is_reminder(text: str) -> bool:
    stripped = text.strip()
    is_one = stripped.startswith(OPEN_REMINDER) and stripped.endswith(CLOSE_REMINDER)
    return is_one and stripped.count(OPEN_REMINDER) == 1
