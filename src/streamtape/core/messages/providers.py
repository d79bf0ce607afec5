"""
What the streams of other providers say, told by the shape of their events alone.

Of each: the text of the first answer, the model, the usage, why it stopped, and which
event is the last word. Shapes are those of OpenAI (Chat Completions and those who speak
it, Completions, Responses), Gemini and Vertex, Bedrock's converse, Cohere, Ollama, and
Anthropic's legacy completions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streamtape.core.messages.deltas import DONE, Event, JsonObject


@dataclass(frozen=True, slots=True)
class Said:
    """What one event says of its answer; empty or None for what it says nothing of."""

    text: str = ""
    model: str | None = None
    stop_reason: str | None = None
    usage: JsonObject = field(default_factory=dict)
    """The provider's counters, by its names."""
    is_last: bool = False
    """Whether nothing but numbers may come after it."""


_OUTPUT_TOKENS: Final = (
    *("output_tokens", "completion_tokens", "candidatesTokenCount"),
    *("outputTokens", "eval_count"),
)
"""How providers name the tokens that were generated."""


def find_output_tokens(usage: Mapping[str, Any]) -> int | None:
    """Return how many tokens were generated, whoever counted them, or None."""
    for name in _OUTPUT_TOKENS:
        if type(tokens := usage.get(name)) is int:
            return tokens
    return None


def read_said(event: Event) -> Said | None:
    """Return what an event of another provider says; None for an unknown shape."""
    if event.data == DONE:
        return Said(is_last=True)
    data = event.json
    for read in _READERS:
        if (said := read(event.name, data)) is not None:
            return said
    return None


def find_error(event: Event) -> str | None:
    """Return the word for the error that an event of another provider is, or None."""
    if event.name is not None and event.name.endswith("Exception"):
        # So Amazon names them.
        return event.name
    match event.json:
        case {"error": {"type": str(word)} | {"status": str(word)}}:
            return word
        case {"error": dict() | str()}:
            return "error"
        case _:
            return None


def _read_chat(name: str | None, data: JsonObject) -> Said | None:
    choices = data.get("choices")
    if not isinstance(choices, list):
        return None
    usage = _object(data.get("usage"))
    if not choices:
        return Said(model=_text(data.get("model")), usage=usage) if usage else None
    first = _object(choices[0])
    if not ("delta" in first or "text" in first):
        return None
    reason = _text(first.get("finish_reason"))
    content = _object(first.get("delta")).get("content", first.get("text"))
    if isinstance(content, list):
        content = _join(content)
    return Said(
        text="" if first.get("index") else _text(content) or "",
        model=_text(data.get("model")),
        stop_reason=reason,
        usage=usage,
        is_last=reason is not None,
    )


def _read_responses(name: str | None, data: JsonObject) -> Said | None:
    kind = data.get("type")
    if not (isinstance(kind, str) and kind.startswith("response.")):
        return None
    response = _object(data.get("response"))
    is_last = kind in ("response.completed", "response.failed", "response.incomplete")
    is_text = kind == "response.output_text.delta"
    return Said(
        text=(_text(data.get("delta")) or "") if is_text else "",
        model=_text(response.get("model")),
        stop_reason=_text(response.get("status")) if is_last else None,
        usage=_object(response.get("usage")),
        is_last=is_last,
    )


def _read_gemini(name: str | None, data: JsonObject) -> Said | None:
    candidates = data.get("candidates")
    if not isinstance(candidates, list) and "usageMetadata" not in data:
        return None
    first = _object(candidates[0]) if candidates else {}
    parts = _object(first.get("content")).get("parts")
    reason = _text(first.get("finishReason"))
    return Said(
        # Thoughts are parts like the others.
        text=_join(part for part in _objects(parts) if not part.get("thought")),
        model=_text(data.get("modelVersion")),
        stop_reason=reason,
        usage=_object(data.get("usageMetadata")),
        # A prompt that was blocked has no candidates and no further event.
        is_last=reason is not None or "promptFeedback" in data,
    )


def _read_converse(name: str | None, data: JsonObject) -> Said | None:
    match name, data:
        case "messageStop", {"stopReason": str(reason)}:
            return Said(stop_reason=reason, is_last=True)
        case "metadata", {"usage": dict(usage)}:
            return Said(usage=usage)
        case _, {"contentBlockIndex": _, "delta": {"text": str(text)}}:
            return Said(text=text)
        case "messageStart" | "contentBlockStart" | "contentBlockDelta", _:
            return Said()
        case _:
            return None


def _read_cohere(name: str | None, data: JsonObject) -> Said | None:
    match data:
        case {
            "type": "content-delta",
            "delta": {"message": {"content": {"text": str(text)}}},
        }:
            return Said(text=text)
        case {"type": "message-end", "delta": dict(delta)}:
            usage = _object(_object(delta.get("usage")).get("tokens"))
            reason = _text(delta.get("finish_reason"))
            return Said(stop_reason=reason, usage=usage, is_last=True)
        case {"event_type": "text-generation", "text": str(text)}:
            return Said(text=text)
        case {"event_type": "stream-end"}:
            return Said(stop_reason=_text(data.get("finish_reason")), is_last=True)
        case _:
            return None


def _read_ollama(name: str | None, data: JsonObject) -> Said | None:
    match data:
        case {"done": bool(is_last), "message": {"content": str(text)}}:
            pass
        case {"done": bool(is_last), "response": str(text)}:
            pass
        case _:
            return None
    counts = ("prompt_eval_count", "eval_count")
    return Said(
        text=text,
        model=_text(data.get("model")),
        stop_reason=_text(data.get("done_reason")),
        usage={each: data[each] for each in counts if each in data},
        is_last=is_last,
    )


def _read_legacy(name: str | None, data: JsonObject) -> Said | None:
    match data:
        case {"type": "completion", "completion": str(text)}:
            reason = _text(data.get("stop_reason"))
            model = _text(data.get("model"))
            return Said(text, model, reason, is_last=reason is not None)
        case _:
            return None


_READERS: Final = (
    _read_chat,
    _read_responses,
    _read_gemini,
    _read_converse,
    _read_ollama,
    _read_cohere,
    _read_legacy,
)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _join(items: Iterable[object]) -> str:
    return "".join(_text(_object(item).get("text")) or "" for item in items)
