"""The Python SDK."""

from __future__ import annotations

import asyncio
from typing import Any

from anthropic import Anthropic, AsyncAnthropic, DefaultAioHttpClient
from telling import MODEL, WEATHER, plain, tell


def asked(prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": MODEL, "max_tokens": 256, "messages": messages}


def create(prompt: str) -> object:
    return plain(Anthropic().messages.create(**asked(prompt)))


def stream(prompt: str) -> object:
    with Anthropic().messages.stream(**asked(prompt)) as events:
        kinds = [event.type for event in events]
        return {"events": kinds, "message": plain(events.get_final_message())}


def tools(prompt: str) -> object:
    """A loop as an agent has it, written by hand."""
    client, turns = Anthropic(), []
    question = asked(prompt) | {"tools": [WEATHER]}
    while True:
        with client.messages.stream(**question) as events:
            message = events.get_final_message()
        turns.append(plain(message))
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "Rain."}
            for block in message.content
            if block.type == "tool_use"
        ]
        if not results:
            return turns
        question["messages"] += [
            {"role": "assistant", "content": turns[-1]["content"]},
            {"role": "user", "content": results},
        ]


async def create_async(client: AsyncAnthropic, prompt: str) -> object:
    async with client:
        return plain(await client.messages.create(**asked(prompt)))


async def stream_async(client: AsyncAnthropic, prompt: str) -> object:
    async with client, client.messages.stream(**asked(prompt)) as events:
        kinds = [event.type async for event in events]
        return {"events": kinds, "message": plain(await events.get_final_message())}


async def with_aiohttp(way: Any, prompt: str) -> object:
    client = AsyncAnthropic(http_client=DefaultAioHttpClient())
    return await way(client, prompt)


if __name__ == "__main__":
    tell(
        {
            "create": create,
            "stream": stream,
            "tools": tools,
            "create-async": lambda p: asyncio.run(create_async(AsyncAnthropic(), p)),
            "stream-async": lambda p: asyncio.run(stream_async(AsyncAnthropic(), p)),
            "create-aiohttp": lambda p: asyncio.run(with_aiohttp(create_async, p)),
            "stream-aiohttp": lambda p: asyncio.run(with_aiohttp(stream_async, p)),
        }
    )
