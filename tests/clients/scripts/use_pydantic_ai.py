"""Pydantic AI's agent."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import Agent
from telling import MODEL, tell


def make_agent() -> Agent:
    agent = Agent(f"anthropic:{MODEL}")

    @agent.tool_plain
    def get_weather(location: str) -> str:
        """Tell the weather of a place."""
        return f"Rain in {location}."

    return agent


def read(result: Any, text: str) -> object:
    usage = result.usage() if callable(result.usage) else result.usage
    seen = ("part_kind", "content", "args")
    parts = [
        {name: str(getattr(part, name, "")) for name in seen}
        for message in result.all_messages()
        for part in message.parts
    ]
    tokens = [usage.requests, usage.input_tokens, usage.output_tokens]
    return {"text": text, "parts": parts, "usage": tokens}


def run(prompt: str) -> object:
    result = make_agent().run_sync(prompt)
    return read(result, result.output)


def stream(prompt: str) -> object:
    async def go() -> object:
        async with make_agent().run_stream(prompt) as result:
            text = "".join([piece async for piece in result.stream_text(delta=True)])
            return read(result, text)

    return asyncio.run(go())


if __name__ == "__main__":
    tell({"run": run, "stream": stream})
