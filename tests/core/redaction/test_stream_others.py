"""Secrets in bodies that come in frames but are no server-sent events."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

import pytest

from foreign import amazon_frame, bedrock_chunk, connect_frame
from streamtape.core.model import Ending, EndReason, Part, Response
from streamtape.core.redaction.scan import LeakScanner
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.stream import body_redactor
from streamtape.core.redaction.text import REDACTED, Cleaned
from streamtape.core.stream_formats import StreamSplitter, payload_of

KEY: Final = "sk-ant-api03-Qw7" + "xY9z" * 20
OWN: Final = "corp7-alpha/bravo+charlie"

Wrap = Callable[[list[dict[str, Any]]], list[bytes]]


def packed(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def in_array(values: list[dict[str, Any]]) -> list[bytes]:
    """As Gemini sends them, each with what stands between it and the one before."""
    return [
        (b",\r\n" if number else b"[") + packed(value)
        for number, value in enumerate(values)
    ]


SHAPES: Final[dict[str, tuple[str, Wrap]]] = {
    "lines": (
        "application/x-ndjson",
        lambda values: [packed(value) + b"\n" for value in values],
    ),
    "array": ("application/json; charset=UTF-8", in_array),
    "converse": (
        "application/vnd.amazon.eventstream",
        lambda values: [amazon_frame(packed(value)) for value in values],
    ),
    "invoke": (
        "application/vnd.amazon.eventstream",
        lambda values: [bedrock_chunk(value) for value in values],
    ),
    "connect": (
        "application/connect+json",
        lambda values: [connect_frame(packed(value)) for value in values],
    ),
}
ENDS: Final = {"array": b"\n]\n"}

shapes = pytest.mark.parametrize("shape", SHAPES)


def response(content_type: str) -> Response:
    headers = (("Content-Type", content_type),)
    return Response(status=200, reason="", headers=headers, offset_ns=1)


def redact(shape: str, frames: list[bytes], secrets: Secrets, size: int) -> Cleaned:
    """Feed a body in chunks of some size; the end of each is its time."""
    body = b"".join(frames) + ENDS.get(shape, b"")
    redactor = body_redactor(response(SHAPES[shape][0]), secrets)
    cleaned: Cleaned = []
    for start in range(0, len(body), size):
        cleaned += redactor.feed(start + size, [body[start : start + size]])
    return cleaned + redactor.end()


def payloads(shape: str, cleaned: Cleaned) -> list[bytes]:
    frames = StreamSplitter(response(SHAPES[shape][0]).stream_format)
    found = [frame for _, raw in cleaned for frame in frames.feed(raw)]
    return [payload_of(frame, frames.stream_format) for frame in found]


def in_pieces(text: str, dice: Random) -> list[str]:
    pieces = []
    while text:
        size = dice.randrange(1, 7)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@shapes
@pytest.mark.parametrize("size", [1, 30, 100_000])
def test_a_frame_is_a_part_with_the_time_of_its_last_byte(
    shape: str, size: int
) -> None:
    values = [{"n": number, "text": f"word {number} é"} for number in range(9)]
    frames = SHAPES[shape][1](values)

    cleaned = redact(shape, frames, Secrets(), size)

    rest = [ENDS[shape]] if shape in ENDS else []
    assert [raw for _, raw in cleaned] == frames + rest
    end = 0
    for (offset_ns, _), frame in zip(cleaned, frames, strict=False):
        end += len(frame)
        assert offset_ns == -(-end // size) * size


@shapes
@pytest.mark.parametrize("secret", [KEY, OWN])
def test_a_secret_in_pieces_is_taken_out_and_the_frames_stay_sound(
    shape: str, secret: str
) -> None:
    secrets = Secrets()
    secrets.add(OWN)
    dice = Random(3)
    for size in (1, 17, 100_000):
        pieces = in_pieces(f"Use {secret} now", dice)
        values = [{"delta": {"text": piece}, "n": 1} for piece in pieces]
        frames = SHAPES[shape][1](values)

        cleaned = redact(shape, frames, secrets, size)

        read = [json.loads(each) for each in payloads(shape, cleaned)]
        joined = "".join(each["delta"]["text"] for each in read)
        assert len(read) == len(frames)
        assert joined.startswith("Use ")
        assert joined.endswith(" now")
        assert joined.count(REDACTED) == 1
        assert secret[10:20] not in joined


@shapes
def test_a_secret_in_one_frame_is_taken_out_of_it(shape: str) -> None:
    values = [{"text": "before"}, {"text": f"Use {KEY}."}, {"text": "after"}]
    frames = SHAPES[shape][1](values)

    cleaned = redact(shape, frames, Secrets(), 50)

    read = [json.loads(each)["text"] for each in payloads(shape, cleaned)]
    assert read == ["before", f"Use {REDACTED}.", "after"]
    assert cleaned[0][1] == frames[0]


@shapes
def test_nothing_of_a_secret_comes_out_where_the_body_is_cut(shape: str) -> None:
    frames = SHAPES[shape][1]([{"text": "before"}, {"text": f"Use {KEY}"}])
    body = b"".join(frames)
    for cut in range(len(frames[0]), len(body)):
        redactor = body_redactor(response(SHAPES[shape][0]), Secrets())

        cleaned = redactor.feed(1, [body[:cut]])
        cleaned += redactor.end()

        left = b"".join(raw for _, raw in cleaned)
        assert left.startswith(frames[0])
        assert KEY[16:32].encode() not in left


@shapes
def test_what_an_older_cassette_holds_in_pieces_is_found(shape: str) -> None:
    """It was stored as chunks, which may be any part of the body."""
    dice = Random(4)
    values = [{"text": piece} for piece in in_pieces(f"Use {KEY} now", dice)]
    body = b"".join(SHAPES[shape][1](values)) + ENDS.get(shape, b"")
    scanner = LeakScanner(Secrets())
    scanner.response(response(SHAPES[shape][0]))
    for start in range(0, len(body), 100):
        scanner.part(Part(start, body[start : start + 100]))
    scanner.end(Ending(reason=EndReason.COMPLETE, offset_ns=1), {})

    assert [leak.kind for leak in scanner.leaks()] == ["an Anthropic key"]


def test_what_is_no_frame_has_no_secret_either() -> None:
    """An error page, say, under the media type of a stream."""
    for shape, (content_type, _) in SHAPES.items():
        page = f"<html>no {KEY} here</html>".encode()
        redactor = body_redactor(response(content_type), Secrets())

        cleaned = redactor.feed(1, [page]) + redactor.end()

        left = b"".join(raw for _, raw in cleaned)
        assert left == page.replace(KEY.encode(), REDACTED.encode()), shape


def test_json_that_is_blank_or_no_array_is_one_part() -> None:
    for body in (b"  \n", b' {"a": [1, {"b": 2}]} ', b'"text"', b"7"):
        redactor = body_redactor(response("application/json"), Secrets())

        cleaned = [*redactor.feed(1, [body[:1]]), *redactor.feed(2, [body[1:]])]

        assert cleaned + redactor.end() == [(2, body)]


def test_frames_that_are_no_json_are_left_alone() -> None:
    frames = [amazon_frame(bytes(range(256)) * 3), amazon_frame(b"")]
    redactor = body_redactor(response("application/vnd.amazon.eventstream"), Secrets())

    assert redactor.feed(1, frames) + redactor.end() == [(1, each) for each in frames]
