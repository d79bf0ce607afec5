"""LiteLLM, which sends the requests by itself."""

from __future__ import annotations

from typing import Any

import litellm
from telling import MODEL, plain, tell

litellm.suppress_debug_info = True


def complete(prompt: str, **options: Any) -> Any:
    messages = [{"role": "user", "content": prompt}]
    return litellm.completion(
        model=f"anthropic/{MODEL}", max_tokens=256, messages=messages, **options
    )


def read(answer: Any) -> object:
    message = plain(answer.choices[0].message)
    kept = {key: message.get(key) for key in ("role", "content", "tool_calls")}
    return {
        "message": kept,
        "finish_reason": answer.choices[0].finish_reason,
        "usage": plain(answer.usage),
    }


def create(prompt: str) -> object:
    return read(complete(prompt))


def stream(prompt: str) -> object:
    options = {"include_usage": True}
    chunks = list(complete(prompt, stream=True, stream_options=options))
    return read(litellm.stream_chunk_builder(chunks))


if __name__ == "__main__":
    tell({"create": create, "stream": stream})
