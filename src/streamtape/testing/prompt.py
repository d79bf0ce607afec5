"""What a fake upstream was asked, and the reply to it, streamed or not as asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streamtape.core.model import Request, find_header
from streamtape.testing.blocks import Item, JsonObject, text, to_json
from streamtape.testing.profile import TYPICAL, Profile
from streamtape.testing.replies import Reply, json_reply, stream_reply
from streamtape.testing.streams import MODEL, MessageFields, count_tokens, message_json


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


Scenario: TypeAlias = Callable[[Prompt], Reply]
"""What the default script answers to a prompt."""

STORY: Final = (
    "Down at the harbour (it was not yet six) the ferry's lamps were lit. "
    "“Two for Zürich,” said the clerk, “and one for the cat?” Nobody laughed. "
    "The engine coughed, the gulls went up, and behind the breakwater the day began."
)
"""Made-up text, with characters of two and three bytes."""


def answer(
    prompt: Prompt, *items: Item, usage: Mapping[str, Any] | None = None
) -> Reply:
    """
    Return the items as a message of the model that was asked for.

    Args:
        usage: Counters of the finished message, in place of the made-up ones.
    """
    fields: MessageFields = {
        "model": prompt.model,
        "seed": prompt.seed,
        "usage": {"input_tokens": prompt.input_tokens, **(usage or {})},
    }
    if prompt.is_stream:
        return stream_reply(*items, profile=prompt.profile, pings=2, **fields)
    body = message_json(*items, **fields)
    return json_reply(body, delay_ns=prompt.profile.ttft_ns)


def plain_text(prompt: Prompt) -> Reply:
    """Answer with a few sentences that quote the prompt."""
    asked = prompt.text if len(prompt.text) <= 200 else f"{prompt.text[:200]}…"
    return answer(prompt, text(f"You asked: “{asked}”. Here is what I know. {STORY}"))
