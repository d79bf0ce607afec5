"""
Make the cassettes that ship in ``cassettes/``: one of each kind of answer.

Nothing runs and no clock is read: the answers and their times are those of
:mod:`streamtape.testing`, so every run makes the same files, byte for byte.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import CassetteWriter, Library
from streamtape.testing import (
    SCENARIOS,
    TYPICAL,
    Reply,
    ReplyEnding,
    SeenRequest,
    default_answers,
    raw_reply,
)

FOLDER: Final = Path(__file__).parent.parent / "cassettes"

_MODEL = "claude-demo"

# A stall would make its replay ten minutes long, the large event the clone slow.
_LEFT_OUT: Final = frozenset({"stall", "text", "needs-key", "large-event"})

_REASONS: Final = {
    ReplyEnding.COMPLETE: EndReason.COMPLETE,
    ReplyEnding.EOF: EndReason.COMPLETE,
    ReplyEnding.CUT: EndReason.UPSTREAM_CUT,
    ReplyEnding.RESET: EndReason.UPSTREAM_RESET,
}

_TOOLS: Final = [
    {
        "name": "get_weather",
        "description": "Tell the weather at a place.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
]


def make_cassettes(folder: Path) -> None:
    """Make all of them in a folder, in place of the cassettes that are there."""
    for path in folder.glob("*.tape"):
        path.unlink()
    library = Library(folder)
    for request, reply in _dispatcher():
        clean = clean_request(request, Secrets())
        match_input = match_input_of(clean)
        recording = Recording(
            clean, recorded_at=None, match_key=match_input.key, secrets=Secrets()
        )
        writer = CassetteWriter(folder, cassette_stem(match_input))
        for packed in _record(recording, reply):
            writer.write(packed)
        library.commit(writer, match_input.key, replace=False)


def _dispatcher() -> Iterator[tuple[Request, Reply]]:
    hello = _message("Hello!")
    yield hello, default_answers(hello)
    plain = _post("/v1/messages", _body("Hello!"))
    yield plain, default_answers(plain)
    for name in sorted(SCENARIOS.keys() - _LEFT_OUT):
        request = _message(f"[{name}]", tools=_TOOLS)
        yield request, default_answers(request)
    # An answer that comes at the third attempt, as SDKs make them.
    retried = _message("Be overloaded twice, then answer.")
    overloaded = default_answers(_message("[overloaded]"))
    yield from ((retried, reply) for reply in [overloaded, overloaded])
    yield retried, default_answers(retried)
    counted = _post("/v1/messages/count_tokens", _body("Hello!"))
    yield counted, default_answers(counted)
    models = _seen("GET", "/v1/models")
    yield models, default_answers(models)
    yield _openai_chat()


def _openai_chat() -> tuple[Request, Reply]:
    """A stream of another provider: no event names, and a last word of its own."""
    body = {
        "model": "gpt-demo",
        "stream": True,
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    deltas = [{"content": word} for word in ("Hello", " from", " elsewhere", ".")]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    lines = [json.dumps(chunk, separators=(",", ":")) for chunk in chunks]
    raws = [f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"]]
    writes = TYPICAL.writes(raws)
    return _post("/v1/chat/completions", body), raw_reply(writes)


def _record(recording: Recording, reply: Reply) -> Iterator[bytes]:
    response = Response(
        status=reply.status,
        reason=reply.reason,
        headers=reply.headers,
        offset_ns=reply.head_offset_ns,
    )
    yield recording.begin(response)
    offset_ns = reply.head_offset_ns
    for offset_ns, raw in reply.writes:
        yield recording.feed(raw, offset_ns)
    yield recording.end(_REASONS[reply.ending], offset_ns)


def _message(text: str, **fields: Any) -> SeenRequest:
    return _post("/v1/messages", _body(text) | {"stream": True} | fields)


def _body(text: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": _MODEL, "max_tokens": 1024, "messages": messages}


def _post(target: str, body: Mapping[str, Any]) -> SeenRequest:
    return _seen("POST", target, json.dumps(body, separators=(",", ":")).encode())


def _seen(method: str, target: str, body: bytes = b"") -> SeenRequest:
    headers = (
        ("anthropic-version", "2000-01-01"),
        ("content-type", "application/json"),
    )
    return SeenRequest(method=method, target=target, headers=headers, body=body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    make_cassettes(parser.parse_args().folder)
