"""A request as a fake upstream sees it, and the prompt in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamtape.core.model import Request, find_header
from streamtape.testing.blocks import JsonObject, to_json
from streamtape.testing.profile import TYPICAL, Profile
from streamtape.testing.streams import MODEL, count_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked, and how the answer should come."""

    text: str
    """The last text of the user, ``""`` where there is none."""
    tool_results: tuple[str, ...] = ()
    """What tools said since, one for each round, results of a round in lines."""
    tools: tuple[JsonObject, ...] = ()
    """The client's own tools, which are those with a schema."""
    model: str = MODEL
    is_stream: bool = True
    has_key: bool = True
    continues_thread: bool = False
    """Whether the request leaves out what the API is thought to remember."""
    input_tokens: int = 25
    seed: int = 0
    """The same for the same request, streamed or not."""
    profile: Profile = TYPICAL


def read_prompt(seen: SeenRequest, profile: Profile = TYPICAL) -> Prompt:
    """
    Read the body of a request for a message.

    Raises:
        ValueError: It is not JSON or has no messages.
    """
    body = seen.json
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise ValueError("messages: Field required")
    question, tool_results = "", []
    for message in reversed(body["messages"]):
        if message.get("role") != "user":
            continue
        question = "\n".join(_texts(message.get("content")))
        if question:
            break
        tool_results.append("\n".join(_tool_results(message.get("content"))))
    canonical = to_json({**dict(sorted(body.items())), "stream": None})
    return Prompt(
        text=question,
        tool_results=tuple(reversed(tool_results)),
        tools=tuple(tool for tool in body.get("tools") or () if "input_schema" in tool),
        model=str(body.get("model", MODEL)),
        is_stream=body.get("stream") is True,
        has_key=bool(seen.header("authorization") or seen.header("x-api-key")),
        continues_thread=(body.get("thread") or {}).get("type") == "continue",
        input_tokens=count_tokens(canonical),
        seed=int(hashlib.sha256(canonical.encode()).hexdigest()[:12], 16),
        profile=profile,
    )


def _texts(content: Any) -> Iterator[str]:
    """Give the texts of a message's content, which is one text or a list of blocks."""
    if isinstance(content, str):
        yield content
        return
    for block in content or ():
        if block.get("type") == "text":
            yield block["text"]


def _tool_results(content: Any) -> Iterator[str]:
    for block in content or ():
        if block.get("type") == "tool_result":
            yield " ".join(_texts(block.get("content")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest(Request):
    """One request, byte for byte what came over the wire but for the body's framing."""

    @property
    def json(self) -> Any:
        """
        The body read as JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """
        Return the first value of a header, or None.

        Args:
            name: In lower case.
        """
        return find_header(self.headers, name)
