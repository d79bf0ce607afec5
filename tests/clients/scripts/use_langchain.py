"""LangChain's chat model."""

from __future__ import annotations

from typing import Any

from langchain_anthropic import ChatAnthropic
from telling import MODEL, WEATHER, tell


def read(message: Any) -> object:
    return {
        "content": message.content,
        "tool_calls": message.tool_calls,
        "usage": message.usage_metadata,
        "stop_reason": message.response_metadata.get("stop_reason"),
    }


def invoke(prompt: str) -> object:
    return read(ChatAnthropic(model=MODEL, max_tokens=256).invoke(prompt))


def stream(prompt: str) -> object:
    model = ChatAnthropic(model=MODEL, max_tokens=256).bind_tools([WEATHER])
    first, *rest = model.stream(prompt)
    return read(sum(rest, first))


if __name__ == "__main__":
    tell({"invoke": invoke, "stream": stream})
