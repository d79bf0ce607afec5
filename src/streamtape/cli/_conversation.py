"""
A conversation of the real SDK, timed event by event: what the demo measures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streamtape.core.streams.accumulator import final_message
from streamtape.core.streams.messages import DeltaKind, decode, delta_kind, message_text
from streamtape.core.streams.sse import EventSplitter, parse_event
from streamtape.errors import UsageError
from streamtape.server.clock import SystemClock

PROMPTS: Final = (
    "What is it like at the harbour at dawn?",
    "How early was it? [citations]",
)


@dataclass(slots=True)
class Heard:
    """
    What a client got of one answer, and when.
    """

    raws: list[bytes] = field(default_factory=list)
    """The events, byte for byte."""
    arrivals_ns: list[int] = field(default_factory=list)
    """When each event was whole, since the request was sent."""

    @property
    def digest(self) -> str:
        """
        SHA-256 of the body.
        """
        return hashlib.sha256(b"".join(self.raws)).hexdigest()


def converse(base_url: str, say: Callable[[str], None]) -> list[Heard]:
    """
    Ask all prompts in turn, each with the answers before it.

    Args:
        say: Gets each piece of text as it comes.

    Raises:
        UsageError: The SDK is not installed.
    """
    try:
        import anthropic
    except ImportError as error:
        message = (
            "the demo needs the SDK: pip install 'streamtape-proxy[anthropic]'; "
            "with pipx: pipx inject streamtape-proxy anthropic"
        )
        raise UsageError(message) from error
    messages: list[Any] = []
    heard = []
    with anthropic.Anthropic(base_url=base_url, api_key="no-key-is-needed") as client:
        for prompt in PROMPTS:
            say(f"> {prompt}\n")
            messages.append({"role": "user", "content": prompt})
            heard.append(_ask(client, messages, say))
            answer = final_message(heard[-1].raws) or {}
            messages.append({"role": "assistant", "content": message_text(answer)})
            say("\n")
    return heard


def _ask(client: Any, messages: list[Any], say: Callable[[str], None]) -> Heard:
    heard = Heard()
    splitter = EventSplitter()
    start_ns = SystemClock.now_ns()
    request = client.messages.with_streaming_response.create(
        model="claude-demo", max_tokens=1024, messages=messages, stream=True
    )
    with request as response:
        for chunk in response.iter_bytes():
            at_ns = SystemClock.now_ns() - start_ns
            for raw in splitter.feed(chunk):
                heard.raws.append(raw)
                heard.arrivals_ns.append(at_ns)
                say(_text_of(raw))
    return heard


def _text_of(raw: bytes) -> str:
    event = parse_event(raw)
    if delta_kind(event) is not DeltaKind.TEXT:
        return ""
    _, data = decode(event)
    return str(data["delta"]["text"])
