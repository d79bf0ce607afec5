"""
What the events of the Messages API mean: their names, text, usage and last word.

Everything known about a provider is here and in the modules beside this one. Of other
providers only their text and the end of their streams is known. Nothing
here raises, whatever the bytes: a recorder has to live with every stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamtape.core.streams.sse import parse_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.streams.sse import ServerSentEvent

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object as :func:`json.loads` gives it; its values are not checked."""

_ORDINARY: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta",',
    b'event: content_block_delta\ndata: {"type": "content_block_delta",',
)
"""
How nearly every event of a stream begins, as the API and as most fakes write it.

One that is spelled otherwise is parsed: slower, and with the same result.
"""

_FOREIGN_DONE: Final = "[DONE]"


class DeltaKind(StrEnum):
    """
    What a delta adds to.
    """

    TEXT = "text"
    THINKING = "thinking"
    """Signatures too: a thinking block may hold nothing else."""
    TOOL_INPUT = "tool_input"
    OTHER = "other"
    """Citations, compactions and what is not known yet."""


_DELTA_KINDS: Final = {
    "text_delta": DeltaKind.TEXT,
    "thinking_delta": DeltaKind.THINKING,
    "signature_delta": DeltaKind.THINKING,
    "input_json_delta": DeltaKind.TOOL_INPUT,
}


@dataclass(slots=True)
class StreamSummary:
    """
    What a listing wants of a stream, gathered event by event while it is recorded.

    Says the same as the message of :class:`MessageAccumulator`, and does not parse
    the deltas that make up most of a stream.
    """

    is_messages: bool = False
    """Whether a ``message_start`` was seen: the stream has a last word to wait for."""
    model: str | None = None
    stop_reason: str | None = None
    """None until the last ``message_delta`` so far gave one; usage is final then."""
    usage: JsonObject = field(default_factory=dict)
    error_type: str | None = None
    """The first error's ``error.type``, ``"error"`` where it had none; else None."""
    _is_stopped: bool = field(default=False, init=False, repr=False)
    _is_foreign_done: bool = field(default=False, init=False, repr=False)

    @property
    def is_over(self) -> bool:
        """
        Whether the last word was said: ``message_stop``, an error, or another
        provider's in a stream that has no ``message_start``.
        """
        if self._is_stopped or self.error_type is not None:
            return True
        return self._is_foreign_done and not self.is_messages

    def feed(self, raw: bytes) -> None:
        """
        Take the next event, as its exact bytes.
        """
        if raw.startswith(_ORDINARY):
            return
        event = parse_event(raw)
        if event.data == _FOREIGN_DONE:
            self._is_foreign_done = True
        match decode(event):
            case "error", data if self.error_type is None:
                self.error_type = _error_type(data)
            case "message_stop", _:
                self._is_stopped = True
            case "response.completed" | "response.failed" | "response.incomplete", _:
                self._is_foreign_done = True
            case "message_start", {"message": dict(message)} if not self.is_messages:
                self.is_messages = True
                self.model = _find_str(message.get("model"))
                self.stop_reason = _find_str(message.get("stop_reason"))
                self.usage = merge_usage(message.get("usage"), None)
            case "message_delta", data if self.is_messages:
                if isinstance(delta := data.get("delta"), dict):
                    self.stop_reason = _find_str(delta.get("stop_reason"))
                self.usage = merge_usage(self.usage, data.get("usage"))
            case "content_block_start", data if self.is_messages:
                self.model = find_fallback_model(data) or self.model


def decode(event: ServerSentEvent) -> tuple[str, JsonObject]:
    """
    Return what an event is, ``""`` where nothing says it, and the object it holds.

    As in the SDKs, the ``type`` in the data decides and not the event's name, but
    for ``ping`` and ``error``. Unlike there, an event without a name is not passed
    over: clients that read only the data see it.
    """
    try:
        data = json.loads(event.data or "{}")
    except (ValueError, RecursionError):
        data = {}
    if not isinstance(data, dict):
        data = {}
    if event.name in ("ping", "error"):
        return event.name, data
    return _find_str(data.get("type")) or "", data


def delta_kind(event: ServerSentEvent) -> DeltaKind | None:
    """
    Return what an event adds to, or None where it adds nothing.

    Text of other providers counts as text.
    """
    kind, data = decode(event)
    if kind != "content_block_delta":
        return DeltaKind.TEXT if foreign_text(data) else None
    delta = data.get("delta")
    if not isinstance(delta, dict):
        return None
    if not any(value for name, value in delta.items() if name != "type"):
        return None
    return _DELTA_KINDS.get(str(delta.get("type")), DeltaKind.OTHER)


def foreign_text(data: JsonObject) -> str:
    """
    Return the text that an event of another provider adds to the first answer.
    """
    match data:
        # OpenAI: Responses, then Chat Completions.
        case {"type": "response.output_text.delta", "delta": str(text)}:
            return text
        case {"choices": [{"delta": {"content": str(text)}} as choice, *_]}:
            return "" if choice.get("index") else text
        # Gemini, where thoughts are parts like the others.
        case {"candidates": [{"content": {"parts": list(parts)}}, *_]}:
            return _join_texts(
                part for part in _objects(parts) if not part.get("thought")
            )
        case _:
            return ""


def message_text(message: JsonObject) -> str:
    """
    Return the text of all text blocks, joined by nothing: citations cut one answer
    into several blocks.
    """
    blocks = _objects(message.get("content"))
    return _join_texts(block for block in blocks if block.get("type") == "text")


def merge_usage(older: object, newer: object) -> JsonObject:
    """
    Return the usage after a ``message_delta``.

    Its counters are totals, so they overwrite; what it leaves out or null is kept.
    """
    merged = dict(older) if isinstance(older, dict) else {}
    if isinstance(newer, dict):
        merged |= {name: value for name, value in newer.items() if value is not None}
    return merged


def find_fallback_model(data: JsonObject) -> str | None:
    """
    Return the model that goes on from the block that a ``content_block_start``
    opens, or None where the block isn't a fallback.
    """
    match data:
        case {"content_block": {"type": "fallback", "to": {"model": str(model)}}}:
            return model
        case _:
            return None


def _error_type(data: JsonObject) -> str:
    match data:
        case {"error": {"type": str(error_type)}}:
            return error_type
        case _:
            return "error"


def _join_texts(items: Iterable[JsonObject]) -> str:
    return "".join(_find_str(item.get("text")) or "" for item in items)


def _objects(value: object) -> list[JsonObject]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _find_str(value: object) -> str | None:
    return value if isinstance(value, str) else None
