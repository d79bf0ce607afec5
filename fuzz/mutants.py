"""
How one cassette becomes another: by damage to its bytes, or by a forger.

A damaged one is told by its checksums. A forged one has right checksums and numbers,
so what it holds is read; that is what a stranger can put into a repository.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgpack

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.records import Kind
from streamtape.core.format.writer import FrameWriter

STEP_BYTES: Final = 4
"""Length of one step of :func:`damage`."""

_NASTY: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 255, 2**31, 2**53, 2**62 - 1, 2**62, 2**63, 2**64 - 1),
    *(-(2**63), 0.5, float("nan"), float("inf"), -float("inf")),
    *("", "\0", "a\r\nb: c", "\x1b]0;x\a", "\u202e", "complete", "truncated"),
    *(b"", b"\0", b"\xff" * 32, b"data: x\n\n", [], {}, [[]], [["a", "b"]]),
    *(msgpack.ExtType(1, b"x"), msgpack.Timestamp(1), {"a": {"b": [1]}}),
)

_NASTY_PAYLOADS: Final = (
    b"\xc1",
    b"\x91" * 2000,
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\0\0\x0f\xff" * 900,
    b"\x82\xa5minor\0\xa5minor\1",
    b"\x81\x01\x01",
    b"\x92\x09\xc6\xff\xff\xff\xff",
    b"\xdc\x20\0" + b"\x90" * 8192,
    b"\xa2\xc3\x28",
)

Mutate = Callable[[bytes], bytes]
"""Changes bytes at random places."""


def damage(data: bytes, steps: bytes) -> bytes:
    """
    Damage a file as its bytes get damaged, by no more than a few thousand each time.

    Args:
        steps: What to do, :data:`STEP_BYTES` each; the rest is passed over.
    """
    for at in range(0, len(steps) - STEP_BYTES + 1, STEP_BYTES):
        what, high, low, size = steps[at : at + STEP_BYTES]
        place = (high << 8 | low) % (len(data) + 1)
        before, after = data[:place], data[place:]
        match what % 8:
            case 0:
                flipped = bytes(byte ^ (1 << size % 8) for byte in after[:1])
                data = before + flipped + after[1:]
            case 1:
                data = before + bytes([size]) + after[1:]
            case 2:
                data = before + bytes(len(after[:64])) + after[64:]
            case 3:
                data = before + after[1 + size :]
            case 4:
                data = before + bytes([what]) * (1 + size) + after
            case 5:
                data = before
            case 6:
                data += bytes([0, 0, size][size % 3 :]) * (1 + size)
            case _:
                data = before + after[: 1 + size] + after
    return data


@dataclass(slots=True)
class _Frame:
    kind: int
    flags: int
    payload: bytes


def forge(data: bytes, others: list[bytes], random: Random, mutate: Mutate) -> bytes:
    """
    Change what a cassette holds, and give it the checksums that go with it.

    Args:
        others: Cassettes to take frames from.
        mutate: What changes the bytes of a payload.
    """
    frames, tail = _take_apart(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change(frames, others, random, mutate)
    if random.random() < 0.1:
        tail = mutate(tail)
    return _put_together(frames, tail, mends_end=random.random() < 0.75)


def _take_apart(data: bytes) -> tuple[list[_Frame], bytes]:
    if not data.startswith(MAGIC):
        data = MAGIC + data
    reader = FrameReader()
    found = [
        _Frame(frame.kind, frame.flags, frame.payload) for frame in reader.feed(data)
    ]
    return found, reader.pending


def _change(
    frames: list[_Frame], others: list[bytes], random: Random, mutate: Mutate
) -> None:
    place = random.randrange(len(frames) + 1)
    if place == len(frames) or random.random() < 0.1:
        donors, _ = _take_apart(random.choice(others))
        frames[place:place] = random.sample(donors, min(1, len(donors)))
        return
    frame = frames[place]
    match random.randrange(10):
        case 0:
            del frames[place]
        case 1:
            frames.insert(place, _Frame(frame.kind, frame.flags, frame.payload))
        case 2:
            frames.append(frames.pop(place))
        case 3:
            frame.kind = random.choice((*Kind, 8, 127, 128, 255))
        case 4:
            frame.flags = random.choice((0, 1, 2, 3, 255))
        case 5:
            frame.payload = random.choice(_NASTY_PAYLOADS)
        case 6 | 7:
            frame.payload = _with_nasty_value(frame.payload, random)
        case 8 if len(frame.payload) > 1:
            cut = random.randrange(1, len(frame.payload))
            rest = _Frame(frame.kind, frame.flags, frame.payload[cut:])
            frame.flags, frame.payload = frame.flags | 1, frame.payload[:cut]
            frames.insert(place + 1, rest)
        case _:
            frame.payload = mutate(frame.payload) or b"\0"


def _with_nasty_value(payload: bytes, random: Random) -> bytes:
    """Put a value that nobody expects into the place of another."""
    try:
        value = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException):
        return payload
    return _pack(_replace(value, random))


def _replace(value: Any, random: Random) -> Any:
    if isinstance(value, (dict, list)) and value and random.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key: Any = random.choice(keys)
        if random.random() < 0.1:
            del value[key]
        else:
            value[key] = _replace(value[key], random)
        return value
    return random.choice(_NASTY)


def _put_together(frames: list[_Frame], tail: bytes, *, mends_end: bool) -> bytes:
    writer = FrameWriter()
    data = MAGIC
    parts = body_bytes = 0
    for frame in frames:
        payload = frame.payload
        is_end = frame.kind == Kind.END and mends_end
        if is_end:
            told = (parts, body_bytes, hashlib.sha256(data).digest())
            payload = _mend_end(payload, *told)
        packed = writer.pack(frame.kind, payload, flags=frame.flags)
        if is_end:
            tail = writer.trailer()
        writer.account(packed)
        data += packed
        if frame.kind in (Kind.EVENT, Kind.BODY) and not frame.flags & 1:
            parts += 1
            body_bytes += _body_bytes(payload)
    return data + tail


def _body_bytes(payload: bytes) -> int:
    try:
        return len(msgpack.unpackb(payload)[1])
    except (ValueError, TypeError, LookupError, msgpack.UnpackException):
        return 0


def _mend_end(payload: bytes, parts: int, body_bytes: int, digest: bytes) -> bytes:
    try:
        fields = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException):
        return payload
    if not isinstance(fields, dict):
        return payload
    told = {"parts": parts, "body_bytes": body_bytes, "sha256": digest}
    return _pack(fields | told)


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed
