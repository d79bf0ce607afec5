"""Cassettes on disk for tests of what looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streamtape.core.model import EndReason, Headers, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import CassetteWriter, Library
from streamtape.library.disk import Disk
from streamtape.testing import MODEL, api_event

MS: Final = 1_000_000
STREAM: Final = ("content-type", "text/event-stream; charset=utf-8")
JSON: Final = ("content-type", "application/json")
ASKED: Final = Request(
    method="POST",
    target="/v1/messages",
    headers=(JSON, ("x-api-key", "a key")),
    body=b'{"model": "claude-demo", "messages": [{"role": "user"}]}',
)

Timed = Sequence[tuple[int, bytes]]
"""Chunks of a body, each with its offset in ms."""


def write_tape(
    folder: Path,
    chunks: Timed,
    *,
    name: str = "hello-1a2b3c4d",
    request: Request = ASKED,
    status: int = 200,
    reason: str = "OK",
    headers: Headers = (STREAM,),
    ending: EndReason = EndReason.COMPLETE,
    detail: str = "",
    silence_ms: int = 0,
    disk: Disk | None = None,
) -> Path:
    """
    Record an interaction and return its cassette.

    Args:
        silence_ms: Between the last chunk and the end.
        disk: Where to write; None for the usual one.
    """
    writer, recording = start_tape(
        folder,
        chunks,
        name=name,
        request=request,
        status=status,
        reason=reason,
        headers=headers,
        disk=disk,
    )
    end_ms = (chunks[-1][0] if chunks else 300) + silence_ms
    writer.write(recording.end(ending, end_ms * MS, detail=detail))
    path = Library(folder).commit(writer, name, replace=False)
    assert path is not None
    return path


def start_tape(
    folder: Path,
    chunks: Timed,
    *,
    name: str = "hello-1a2b3c4d",
    request: Request = ASKED,
    status: int = 200,
    reason: str = "OK",
    headers: Headers = (STREAM,),
    disk: Disk | None = None,
) -> tuple[CassetteWriter, Recording]:
    """Begin a recording, whose head comes after 300 ms, and leave its file open."""
    recording = Recording(
        clean_request(request, Secrets()),
        recorded_at="2026-01-02T03:04:05Z",
        secrets=Secrets(),
    )
    writer = CassetteWriter(folder, name, disk=disk)
    head = Response(status=status, reason=reason, headers=headers, offset_ns=300 * MS)
    writer.write(recording.begin(head))
    for offset_ms, chunk in chunks:
        writer.write(recording.feed(chunk, offset_ms * MS))
    return writer, recording


def hello(*pieces: str, model: str = MODEL) -> list[tuple[int, bytes]]:
    """
    Return a stream of text: its first piece comes at 500 ms, the next 50 ms apart.
    """
    message = {"model": model, "usage": {"output_tokens": 1}, "content": []}
    start = {"type": "content_block_start", "index": 0}
    deltas = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": piece},
        }
        for piece in pieces
    ]
    last_ms = 450 + 50 * len(pieces)
    return [
        (320, api_event({"type": "message_start", "message": message})),
        (320, api_event({**start, "content_block": {"type": "text", "text": ""}})),
        *((500 + 50 * i, api_event(delta)) for i, delta in enumerate(deltas)),
        (last_ms, api_event({"type": "content_block_stop", "index": 0})),
        (
            last_ms + 10,
            api_event(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 12},
                }
            ),
        ),
        (last_ms + 10, api_event({"type": "message_stop"})),
    ]
