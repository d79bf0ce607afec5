"""The real SDK can't tell a recording or a replay from the API itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import anthropic
import pytest
from anthropic.types import Message, MessageParam, ToolParam
from anthropic.types.beta import BetaMessageParam

from e2e.runs import run_thrice
from streamtape.testing import MODEL

Call: TypeAlias = Callable[[anthropic.Anthropic], object]
AsyncCall: TypeAlias = Callable[[anthropic.AsyncAnthropic], Awaitable[object]]

HELLO: list[MessageParam] = [{"role": "user", "content": "Grüße, and hello!"}]
BETA_HELLO: list[BetaMessageParam] = [{"role": "user", "content": "Hello, beta!"}]
TOOLS: list[ToolParam] = [
    {
        "name": name,
        "input_schema": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    }
    for name in ("look", "go")
]


def create(client: anthropic.Anthropic) -> object:
    message = client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)
    return message, message._request_id


def create_stream(client: anthropic.Anthropic) -> object:
    with client.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    ) as stream:
        return list(stream)


def stream_events(client: anthropic.Anthropic) -> object:
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        return list(stream), stream.get_final_message(), stream.request_id


def stream_text(client: anthropic.Anthropic) -> object:
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HELLO) as stream:
        return list(stream.text_stream), stream.get_final_text()


def raw_response(client: anthropic.Anthropic) -> object:
    response = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=100, messages=HELLO
    )
    return (
        response.status_code,
        response.headers["anthropic-ratelimit-requests-remaining"],
        response.text(),
        response.parse(),
    )


def raw_stream(client: anthropic.Anthropic) -> object:
    response = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    )
    with response.parse() as stream:
        return response.headers["content-type"], list(stream)


def streaming_response(client: anthropic.Anthropic) -> object:
    with client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    ) as response:
        return b"".join(response.iter_bytes())


def beta_create(client: anthropic.Anthropic) -> object:
    return client.beta.messages.create(
        model=MODEL, max_tokens=100, messages=BETA_HELLO, betas=["made-up-2026-01-01"]
    )


def beta_create_stream(client: anthropic.Anthropic) -> object:
    with client.beta.messages.create(
        model=MODEL, max_tokens=100, messages=BETA_HELLO, stream=True
    ) as stream:
        return list(stream)


def beta_stream(client: anthropic.Anthropic) -> object:
    with client.beta.messages.stream(
        model=MODEL, max_tokens=100, messages=BETA_HELLO
    ) as stream:
        return list(stream), stream.get_final_message()


def tool_loop(client: anthropic.Anthropic) -> object:
    """Call tools until the model is done: each turn sends the one before back."""
    messages: list[MessageParam] = [{"role": "user", "content": "[tool-loop] Go."}]
    turns: list[Message] = []
    while not turns or turns[-1].stop_reason == "tool_use":
        with client.messages.stream(
            model=MODEL, max_tokens=100, messages=messages, tools=TOOLS
        ) as stream:
            turns.append(stream.get_final_message())
        call = turns[-1].content[-1]
        if call.type == "tool_use":
            said = f"{call.name} {json.dumps(call.input)}"
            messages += [
                {"role": "assistant", "content": turns[-1].content},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": call.id, "content": said}
                    ],
                },
            ]
    assert len(turns) == 3
    return turns


def count_tokens(client: anthropic.Anthropic) -> object:
    return client.messages.count_tokens(model=MODEL, messages=HELLO)


def list_models(client: anthropic.Anthropic) -> object:
    return list(client.models.list(limit=20))


def retrieve_model(client: anthropic.Anthropic) -> object:
    return client.models.retrieve(MODEL)


CALLS: list[Call] = [
    create,
    create_stream,
    stream_events,
    stream_text,
    raw_response,
    raw_stream,
    streaming_response,
    beta_create,
    beta_create_stream,
    beta_stream,
    tool_loop,
    count_tokens,
    list_models,
    retrieve_model,
]


async def async_create(client: anthropic.AsyncAnthropic) -> object:
    return await client.messages.create(model=MODEL, max_tokens=100, messages=HELLO)


async def async_create_stream(client: anthropic.AsyncAnthropic) -> object:
    async with await client.messages.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    ) as stream:
        return [event async for event in stream]


async def async_stream_text(client: anthropic.AsyncAnthropic) -> object:
    async with client.messages.stream(
        model=MODEL, max_tokens=100, messages=HELLO
    ) as stream:
        return [text async for text in stream.text_stream], (
            await stream.get_final_message()
        )


async def async_raw_stream(client: anthropic.AsyncAnthropic) -> object:
    response = await client.messages.with_raw_response.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    )
    async with await response.parse() as stream:
        return response.headers["request-id"], [event async for event in stream]


async def async_streaming_response(client: anthropic.AsyncAnthropic) -> object:
    async with client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=100, messages=HELLO, stream=True
    ) as response:
        return b"".join([chunk async for chunk in response.iter_bytes()])


async def async_beta_stream(client: anthropic.AsyncAnthropic) -> object:
    async with client.beta.messages.stream(
        model=MODEL, max_tokens=100, messages=BETA_HELLO
    ) as stream:
        return [event async for event in stream], await stream.get_final_message()


async def async_parallel(client: anthropic.AsyncAnthropic) -> object:
    """Ask six different things at once."""
    return await asyncio.gather(
        *(
            client.messages.create(
                model=MODEL,
                max_tokens=100,
                messages=[{"role": "user", "content": f"Question {number}"}],
            )
            for number in range(6)
        )
    )


ASYNC_CALLS: list[AsyncCall] = [
    async_create,
    async_create_stream,
    async_stream_text,
    async_raw_stream,
    async_streaming_response,
    async_beta_stream,
    async_parallel,
]


def names(calls: Iterable[Callable[..., object]]) -> list[str]:
    return [call.__name__ for call in calls]


@pytest.mark.parametrize("call", CALLS, ids=names(CALLS))
def test_a_sync_client_gets_the_same(call: Call, tmp_path: Path) -> None:
    def use(base_url: str) -> object:
        with anthropic.Anthropic(base_url=base_url, api_key="k") as client:
            return call(client)

    runs = run_thrice(use, None, tmp_path)

    assert runs.straight
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    assert set(runs.counts) == {"replayed"}


@pytest.mark.parametrize("transport", ["httpx2", "aiohttp"])
@pytest.mark.parametrize("call", ASYNC_CALLS, ids=names(ASYNC_CALLS))
def test_an_async_client_gets_the_same(
    call: AsyncCall, transport: str, tmp_path: Path
) -> None:
    async def use(base_url: str) -> object:
        async with AsyncExitStack() as stack:
            http_client = None
            if transport == "aiohttp":
                http_client = await stack.enter_async_context(
                    anthropic.DefaultAioHttpClient()
                )
            client = await stack.enter_async_context(
                anthropic.AsyncAnthropic(
                    base_url=base_url, api_key="k", http_client=http_client
                )
            )
            return await call(client)

    runs = run_thrice(lambda base_url: asyncio.run(use(base_url)), None, tmp_path)

    assert runs.straight
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    assert set(runs.counts) == {"replayed"}
