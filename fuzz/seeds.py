"""
What the fuzzing begins with; all of it is made here or is one of the golden files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamtape.core.format.frames import TRAILER
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets

_GOLDEN: Final = Path(__file__).parents[1] / "tests" / "data"

STREAM: Final = "text/event-stream"

EVENTS: Final = (
    b'event: message_start\ndata: {"type":"message_start"}\n\n',
    b"event: ping\r\ndata: {}   \r\n\r\n",
    b": a comment\n\n",
    "id: 7\rretry: 30\rdata: Grüße 🎈\r\r".encode(),
    b"\xef\xbb\xbfdata:no space\ndata\ndata: many\n\n",
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    b"data: cut \xf0\x9f",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    media_type: str = STREAM
    chunks: tuple[bytes, ...] = EVENTS
    body: bytes = b'{"stream": true}'
    reason: EndReason = EndReason.COMPLETE
    is_truncated: bool = False


_SHAPES: Final = (
    _Shape(),
    _Shape(chunks=EVENTS[:2], reason=EndReason.UPSTREAM_CUT),
    _Shape(is_truncated=True),
    _Shape(media_type="application/json", chunks=(b'{"type": "error"', b"}")),
    _Shape(media_type="text/plain", chunks=(b"one\ntwo", b"\nthree\0")),
    _Shape(chunks=()),
    _Shape(body=bytes(range(256)) * 8, chunks=EVENTS[:1] * 40),
)


def cassettes() -> list[bytes]:
    """Return whole and truncated cassettes of every kind, and the golden ones."""
    golden = [path.read_bytes() for path in sorted(_GOLDEN.glob("v*/*.tape"))]
    return [*map(_record, _SHAPES), *golden]


def streams() -> list[bytes]:
    """Return streams with every kind of line end."""
    whole = b"".join(EVENTS)
    ends = [whole.replace(b"\n", end) for end in (b"\r", b"\r\n", b"\n\r", b"\r\r\n")]
    return [whole, *ends, *EVENTS, b"\r\n\r\n\n\r\r"]


def _record(shape: _Shape) -> bytes:
    request = Request(
        method="POST",
        target="/v1/messages",
        headers=(("Content-Type", "application/json"), ("X-Api-Key", "a key")),
        body=shape.body,
    )
    recording = Recording(
        clean_request(request, Secrets()),
        recorded_at="2026-01-02T03:04:05Z",
        match_key="0f" * 32,
        secrets=Secrets(),
    )
    headers = (("content-type", shape.media_type), ("retry-after", "1"))
    head = Response(status=200, reason="OK", headers=headers, offset_ns=5)
    packed = [recording.begin(head)]
    for number, chunk in enumerate(shape.chunks, start=1):
        packed.append(recording.feed(chunk, number * 1_000_000))
    end = recording.end(shape.reason, 2**40, detail="over")
    packed.append(end[: -TRAILER.size - 1] if shape.is_truncated else end)
    return b"".join(packed)
