"""What the upstream answers to every client: the Messages API, and two others."""

from __future__ import annotations

import json
from typing import Any

from streamtape.testing import (
    INSTANT,
    MODEL,
    Reply,
    SeenRequest,
    default_answers,
    raw_reply,
    stream_reply,
    text,
    tool_use,
)

_WORDS = ("Down", " at", " the", " harbour", " (Zürich", " “on sea”)", ".")


def answer_any_client(seen: SeenRequest) -> Reply:
    """Answer by the path; a pure function of the request."""
    if seen.path.endswith("/chat/completions"):
        return _chat_completion()
    if seen.path.endswith(":streamGenerateContent"):
        return _generated_content()
    if seen.path == "/v1/messages" and b"[bash] " in seen.body:
        return _bash_loop(seen)
    return default_answers(seen, profile=INSTANT)


def _bash_loop(seen: SeenRequest) -> Reply:
    """Have an agent run a command, then repeat what that printed."""
    results = [
        block["content"]
        for message in seen.json["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    if results:
        return stream_reply(text(f"It printed {results[-1]!r}."), profile=INSTANT)
    command = {"command": "echo from the shell", "description": "Print some words"}
    return stream_reply(
        text("Let me see."), tool_use("Bash", command), profile=INSTANT, model=MODEL
    )


def _chat_completion() -> Reply:
    def chunk(**fields: Any) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk"}
        return {**head, "created": 1_760_000_000, "model": "gpt-demo", **fields}

    def choice(delta: dict[str, str], *, finish: str | None = None) -> dict[str, Any]:
        return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    usage = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
    return _data_stream(
        choice({"role": "assistant", "content": ""}),
        *(choice({"content": word}) for word in _WORDS),
        choice({}, finish="stop"),
        chunk(choices=[], usage=usage),
        ending=b"data: [DONE]\n\n",
    )


def _generated_content() -> Reply:
    def chunk(word: str, **fields: str) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": word}]}
        return {
            "candidates": [{"index": 0, "content": content, **fields}],
            "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 10},
            "modelVersion": "gemini-demo",
        }

    *words, last = _WORDS
    return _data_stream(*map(chunk, words), chunk(last, finishReason="STOP"))


def _data_stream(*events: dict[str, Any], ending: bytes = b"") -> Reply:
    lines = (b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return raw_reply(b"".join(lines) + ending, content_type="text/event-stream")
