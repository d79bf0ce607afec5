"""
Make the golden set of format v1, once: cassettes that every reader must read.

Beside each ``NAME.tape`` stands a ``NAME.json`` that says what a reader gives, or
which error. It is written from what went into the file, not from reading it.

A file that is there is never written over: the set is what earlier versions wrote.
"""

from __future__ import annotations

import argparse
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgpack

from streamtape.core.format.frames import MAGIC, Flags
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.records import Kind
from streamtape.core.format.writer import FrameWriter
from streamtape.core.model import EndReason, Headers, Part, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED

FOLDER: Final = Path(__file__).parents[1] / "tests" / "data" / "v1"

STREAM: Final = ("content-type", "text/event-stream; charset=utf-8")
JSON: Final = ("content-type", "application/json")
STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

Crafted = tuple[int, Any, int]
"""A frame as it stands in the file: its type, its value and its flags."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One interaction as it was recorded, and what of it comes back."""

    request: Request
    headers: Headers
    chunks: Sequence[tuple[int, bytes]]
    parts: Sequence[Part]
    """What the chunks are in the file."""
    offset_ns: int
    end_offset_ns: int
    reason: EndReason = EndReason.COMPLETE
    detail: str = ""
    recorded_at: str | None = None
    kept_request: Request | None = None
    """The request as it comes back; None where nothing of it is redacted."""
    kept_headers: Headers | None = None
    """The headers of the response as they come back; None as for the request."""
    summary: dict[str, Any] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the bytes that a recorder of this version writes."""
        recording = Recording(
            clean_request(self.request, Secrets()),
            recorded_at=self.recorded_at,
            secrets=Secrets(),
        )
        head = Response(
            status=200, reason="OK", headers=self.headers, offset_ns=self.offset_ns
        )
        packed = [recording.begin(head)]
        packed += [recording.feed(chunk, at_ns) for at_ns, chunk in self.chunks]
        end_ns = self.end_offset_ns
        packed.append(recording.end(self.reason, end_ns, detail=self.detail))
        return b"".join(packed)

    def explain(self) -> dict[str, Any]:
        """Return what a reader gives, as JSON can say it."""
        request = self.kept_request or self.request
        headers = self.headers if self.kept_headers is None else self.kept_headers
        return {
            "recorded_at": self.recorded_at,
            "request": asdict(request) | {"body": _text(request.body)},
            "response": {
                "status": 200,
                "reason": "OK",
                "headers": headers,
                "offset_ns": self.offset_ns,
            },
            "parts": [[part.offset_ns, _text(part.raw)] for part in self.parts],
            "ending": {
                "reason": self.reason,
                "offset_ns": self.end_offset_ns,
                "detail": self.detail,
            },
            "summary": self.summary,
        }


def make_golden(folder: Path) -> None:
    """
    Make all files of the set in a folder.

    Raises:
        FileExistsError: One of them is there already; nothing was written then.
    """
    files = {
        folder / name: data
        for stem, tape, expected in _golden()
        for name, data in (
            (f"{stem}.tape", tape),
            (f"{stem}.json", json.dumps(expected, indent=1).encode() + b"\n"),
        )
    }
    for path in files:
        if path.exists():
            message = f"{path} is there already, and is never made anew"
            raise FileExistsError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        with path.open("xb") as file:
            file.write(data)


def _golden() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    minimal, full = _minimal(), _full()
    yield "minimal", minimal.pack(), minimal.explain()
    yield "full", full.pack(), full.explain()
    plain = _plain()
    yield "json", plain.pack(), plain.explain()

    whole = full.pack()
    starts = [frame.offset for frame in FrameReader().feed(whole[:-16])]
    cut = starts[8] + 20
    yield "torn", whole[:cut], _explain_torn(full, 5)
    flipped = bytearray(whole)
    flipped[cut] ^= 0x20
    yield "corrupt", bytes(flipped), _error("DamagedCassetteError", "checksum is wrong")

    later = {"text": "Something that a later version writes."}
    yield "unknown-frame", _craft(minimal, (77, later, 0)), minimal.explain()
    yield "private-frame", _craft(minimal, (200, b"\0\1", 0)), minimal.explain()
    yield (
        "critical-frame",
        _craft(minimal, (77, later, Flags.CRITICAL)),
        _error("UnsupportedVersionError", "frame type 77"),
    )
    yield (
        "future",
        MAGIC.replace(b"1", b"2") + minimal.pack()[len(MAGIC) :],
        _error("UnsupportedVersionError", "format version 2"),
    )


def _minimal() -> Golden:
    return Golden(
        request=Request(method="POST", target="/v1/messages", body=b"{}"),
        headers=(("content-type", "text/event-stream"),),
        chunks=[(2_000_000, STOP)],
        parts=[Part(2_000_000, STOP)],
        offset_ns=1_000_000,
        end_offset_ns=3_000_000,
    )


def _full() -> Golden:
    """A stream with all that is odd about real ones, cut within its last event."""
    start = _event(
        "message_start",
        {
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-golden",
                "content": [],
                "stop_reason": None,
                "usage": {"input_tokens": 25, "output_tokens": 1},
            }
        },
        padding=3,
    )
    ping = b": keep-alive\r\n\r\n"
    thinking = _event(
        "content_block_start",
        {"index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    )
    thought = _delta({"type": "thinking_delta", "thinking": "Hm\u2028…"}, padding=7)
    signature = _delta({"type": "signature_delta", "signature": "c2lnbmVk/+=="})
    greeting = _delta({"type": "text_delta", "text": "Grüße 🎈"}).replace(
        b"\n", b"\r\n"
    )
    carriage = b"event: ping\rdata: {}\r\r"
    leftover = _delta({"type": "text_delta", "text": "cut 🎈"})[:-7]
    events = [start, ping, thinking, thought, signature, greeting, carriage]
    stream = b"".join(events) + leftover
    # One cut is within the four bytes of the balloon.
    balloon = stream.index("🎈".encode()) + 2
    bounds = [0, len(start + ping) + 9, balloon, balloon + 11, len(stream)]
    times = [412_000_001, 512_345_678, 512_345_679, 700_000_000]
    first, second, third, last = times
    sent = (
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("X-Api-Key", "not-kept"),
        ("User-Agent", "example/1.0 (not kept)"),
    )
    got = (STREAM, ("Request-Id", "req_1"), ("Set-Cookie", "not=kept"))
    body = '{"model":"claude-golden","stream":true,"system":"Grüße"}'.encode()
    request = Request(
        method="POST",
        target="/v1/messages?beta=true&token=not-kept",
        headers=sent,
        body=body,
    )
    return Golden(
        request=request,
        headers=got,
        chunks=[
            (at_ns, stream[bounds[place] : bounds[place + 1]])
            for place, at_ns in enumerate(times)
        ],
        parts=[
            Part(first, start),
            Part(first, ping),
            Part(second, thinking),
            Part(second, thought),
            Part(second, signature),
            Part(third, greeting),
            Part(last, carriage),
            Part(last, leftover),
        ],
        offset_ns=400_000_000,
        end_offset_ns=700_000_123,
        reason=EndReason.UPSTREAM_CUT,
        detail="the connection to the upstream broke in the body",
        recorded_at="2026-01-02T03:04:05Z",
        kept_request=Request(
            method="POST",
            target=f"/v1/messages?beta=true&token={REDACTED}",
            headers=(
                *sent[:2],
                ("X-Api-Key", REDACTED),
                ("User-Agent", "example/1.0"),
            ),
            body=body,
        ),
        kept_headers=(*got[:2], ("Set-Cookie", REDACTED)),
        summary={
            "model": "claude-golden",
            "usage": {"input_tokens": 25, "output_tokens": 1},
        },
    )


def _plain() -> Golden:
    """An answer that is no stream, and came in two chunks."""
    body = json.dumps(
        {
            "type": "message",
            "model": "claude-golden",
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 8, "output_tokens": 2},
        }
    ).encode()
    return Golden(
        request=Request(method="POST", target="/v1/messages", body=b'{"model":"m"}'),
        headers=(JSON,),
        chunks=[(800_000_000, body[:50]), (800_500_000, body[50:])],
        parts=[Part(800_500_000, body)],
        offset_ns=790_000_000,
        end_offset_ns=801_000_000,
        summary={
            "model": "claude-golden",
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 8, "output_tokens": 2},
        },
    )


def _explain_torn(golden: Golden, part_count: int) -> dict[str, Any]:
    expected = golden.explain()
    expected["parts"] = expected["parts"][:part_count]
    expected["ending"] = {
        "reason": EndReason.TRUNCATED,
        "offset_ns": golden.parts[part_count - 1].offset_ns,
        "detail": "the recorder was stopped before it could write the end",
    }
    return expected | {"summary": None}


def _error(name: str, message: str) -> dict[str, Any]:
    return {"error": name, "message": message}


def _craft(golden: Golden, extra: Crafted) -> bytes:
    """Pack an interaction with a frame put in before the response and the END."""
    frames = [
        (frame.kind, msgpack.unpackb(frame.payload), frame.flags)
        for frame in FrameReader().feed(golden.pack()[:-16])
    ]
    header, request, response, *parts, (_, end, _) = frames
    writer = FrameWriter()
    packed = [MAGIC]
    for kind, value, flags in (header, request, extra, response, *parts, extra):
        packed.append(writer.pack(kind, msgpack.packb(value), flags=flags))
        writer.account(packed[-1])
    end["sha256"] = writer.digest
    return b"".join(
        [*packed, writer.pack(Kind.END, msgpack.packb(end)), writer.trailer()]
    )


def _delta(delta: dict[str, Any], padding: int = 0) -> bytes:
    fields = {"index": 0, "delta": delta}
    return _event("content_block_delta", fields, padding=padding)


def _event(name: str, fields: dict[str, Any], *, padding: int = 0) -> bytes:
    data = json.dumps(
        {"type": name} | fields, separators=(",", ":"), ensure_ascii=False
    )
    return f"event: {name}\ndata: {data}{' ' * padding}\n\n".encode()


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    make_golden(parser.parse_args().folder)
