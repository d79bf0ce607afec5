"""
What the upstream of a soak answers: anything, and the same for the same number.

The upstream makes a reply to send it, and a client to compare; nothing is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Final

from streamtape.testing import (
    Framing,
    Reply,
    ReplyEnding,
    Write,
    error_reply,
    json_reply,
    message_stream,
    raw_reply,
    text,
)

_MS: Final = 1_000_000
_WORDS: Final = ("the", "tape", "keeps", "every", "byte", "“and”", "when", "it", "came")
_STATUSES: Final = (400, 401, 404, 413, 429, 500, 503, 529)
_ENDINGS: Final = (
    *[ReplyEnding.COMPLETE] * 12,
    *(ReplyEnding.EOF, ReplyEnding.CUT, ReplyEnding.RESET, ReplyEnding.STALL),
)


def ask_for(number: int) -> bytes:
    """Return the body of the request that gets the reply of a number."""
    asked = {
        "model": "claude-x",
        "stream": True,
        "messages": [{"role": "user", "content": f"Number {number}"}],
    }
    return json.dumps(asked).encode()


def number_in(body: bytes) -> int:
    """Return the number that a request asks for."""
    return int(json.loads(body)["messages"][0]["content"].removeprefix("Number "))


def make_reply(seed: int, number: int) -> Reply:
    """Return the reply of a number: its bytes, their times, and how it ends."""
    dice = Random(f"{seed}/{number}")
    kind = dice.random()
    if kind < 0.08:
        message = " ".join(_words(dice, 8))
        return error_reply(dice.choice(_STATUSES), "api_error", message)
    if kind < 0.16:
        answer = {"type": "message", "content": _words(dice, dice.randrange(3000))}
        return json_reply(answer, delay_ns=dice.randrange(50) * _MS)
    if kind < 0.24:
        return raw_reply(
            _writes(dice, [dice.randbytes(dice.randrange(1, 60_000))]),
            content_type="application/octet-stream",
            framing=dice.choice(list(Framing)),
            ending=dice.choice(_ENDINGS),
        )
    return raw_reply(
        _writes(dice, _events(dice, number)),
        framing=dice.choice([Framing.CHUNKED, Framing.CHUNKED, *Framing]),
        ending=dice.choice(_ENDINGS),
    )


def _events(dice: Random, number: int) -> list[bytes]:
    match dice.randrange(8):
        case 0:
            # Events that are far larger than what is read at once.
            pieces = [" ".join(_words(dice, dice.randrange(40_000))) for _ in range(3)]
            return [f"data: {piece}\n\n".encode() for piece in pieces]
        case 1:
            end = dice.choice(["\r\n", "\r", "\n"])
            lines = ["event: odd", ": a comment", "data:x", "data", f"id: {number}", ""]
            return ["".join(f"{line}{end}" for line in lines).encode()] * 40
        case _:
            said = " ".join(_words(dice, dice.randrange(5, 800)))
            return message_stream(text(said), seed=number)


def _words(dice: Random, count: int) -> list[str]:
    return dice.choices(_WORDS, k=count)


def _writes(dice: Random, pieces: list[bytes]) -> Iterator[Write]:
    """Lay pieces out over time, each in a write or cut anywhere."""
    match dice.randrange(3):
        case 0:
            pieces = [b"".join(pieces)]
        case 1:
            most = dice.choice([1, 30, 1000, 70_000])
            pieces = list(_cut(dice, b"".join(pieces)[: 500 * most], most))
        case _:
            pass
    gap_ms = dice.choice([0, 0, 1, 1200 // len(pieces)])
    at_ns = 0
    for piece in pieces:
        yield Write(at_ns, piece)
        at_ns += dice.randrange(2 * gap_ms + 1) * _MS


def _cut(dice: Random, body: bytes, most: int) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        size = dice.randint(1, most)
        yield body[at : at + size]
        at += size
