"""
The streams that everything here sends: what is in them, and when it is due.

A request says in its prompt which stream it wants, so an upstream needs no state
and a client can tell which body it must get.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Self

_PROMPT = re.compile(rb"Stream (\d+): (\d+) events in (\d+) ms")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_WORDS = ("the", "tape", "keeps", "every", "byte", "and", "when", "it", "came")
_BURST_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream that both ends can make from its name alone."""

    number: int
    """Seeds the words and the gaps, and makes the request's body its own."""
    events: int
    duration_ms: int = 0
    """From the request to the last event; 0 sends all at once."""

    @classmethod
    def named_in(cls, body: bytes) -> Self:
        """Read the stream that a request's body asks for."""
        match = _PROMPT.search(body)
        if match is None:
            raise ValueError(f"no prompt of ours: {body!r}")
        number, events, duration_ms = map(int, match.groups())
        return cls(number=number, events=events, duration_ms=duration_ms)

    @classmethod
    def find(cls, request: bytes) -> Self | None:
        """
        Read the stream that a request asks for, None while its bytes aren't whole.
        """
        head, blank, body = request.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        whole = len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")
        return cls.named_in(body) if blank and whole else None

    def request(self, port: int, *, close: bool = False) -> bytes:
        """The whole request, to be sent to a port of 127.0.0.1."""
        prompt = f"Stream {self.number}: {self.events} events in {self.duration_ms} ms"
        body = {
            "model": "claude-demo",
            "max_tokens": 4096,
            "stream": True,
            "messages": [{"role": "user", "content": prompt}],
        }
        raw = json.dumps(body).encode()
        head = (
            f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            f"connection: {'close' if close else 'keep-alive'}\r\n"
            "accept: application/json\r\nuser-agent: bench\r\nx-api-key: bench\r\n"
            "anthropic-version: 2000-01-01\r\ncontent-type: application/json\r\n"
            f"content-length: {len(raw)}\r\n\r\n"
        )
        return head.encode() + raw


def _event(name: str, **fields: object) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


@cache
def stream_events(stream: Stream) -> tuple[bytes, ...]:
    """The events of a stream; all but five are text deltas of about 130 bytes."""
    words = random.Random(stream.number)
    message: dict[str, object] = {
        "id": f"msg_bench{stream.number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-demo",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 25, "output_tokens": 1},
    }
    deltas = [
        _event(
            "content_block_delta",
            index=0,
            delta={"type": "text_delta", "text": " ".join(words.choices(_WORDS, k=3))},
        )
        for _ in range(stream.events - 5)
    ]
    start = {"type": "text", "text": ""}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"output_tokens": 3 * len(deltas)}
    return (
        _event("message_start", message=message),
        _event("content_block_start", index=0, content_block=start),
        *deltas,
        _event("content_block_stop", index=0),
        _event("message_delta", delta=stop, usage=usage),
        _event("message_stop"),
    )


@cache
def stream_offsets_ns(stream: Stream) -> tuple[int, ...]:
    """When each event is due, since the request: long waits, short ones and bursts."""
    gaps = random.Random(stream.number)
    due = [0.0]
    for _ in range(stream.events):
        burst = gaps.random() < _BURST_SHARE
        due.append(due[-1] + (0.0 if burst else gaps.expovariate(1.0)))
    scale = stream.duration_ms * 1_000_000 / due[-1]
    return tuple(round(at * scale) for at in due[1:])
