"""The same input is the same file, and what comes in is what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from proofs import Trials
from streamtape import Cassette
from streamtape.core.format.frames import MAX_PAYLOAD_BYTES, TRAILER
from streamtape.core.format.reader import FrameReader
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.sse import EventSplitter
from streamtape.library import CassetteReader, read_cassette
from taping import ASKED, JSON, STREAM, hello

MS = 1_000_000
LINES = {
    "lf": b"\n",
    "crlf": b"\r\n",
    "cr": b"\r",
}
ODD = [
    b": a comment\n",
    b"event: x\n",
    b"data:no space\n",
    b"data: one\ndata: two\ndata\n",
    "data: Grüße 🎈\n".encode(),
    b"id: 7\nretry: 30\n",
    b"data: \xff\xfe\0\n",
]


def record(
    chunks: Sequence[tuple[int, bytes]],
    *,
    media: tuple[str, str] = STREAM,
    request: Request = ASKED,
    ending: EndReason = EndReason.COMPLETE,
) -> bytes:
    recording = Recording(
        clean_request(request, Secrets()),
        recorded_at="2026-01-02T03:04:05Z",
        match_key="0f" * 32,
        secrets=Secrets(),
    )
    head = Response(status=200, reason="OK", headers=(media,), offset_ns=MS)
    packed = [recording.begin(head)]
    packed += [recording.feed(chunk, at_ms * MS) for at_ms, chunk in chunks]
    packed.append(recording.end(ending, 10**6 * MS))
    return b"".join(packed)


def record_again(cassette: Cassette) -> bytes:
    """Record what was replayed, at the same times."""
    assert cassette.response is not None
    recording = Recording(
        clean_request(cassette.request, Secrets()),
        recorded_at=cassette.recorded_at,
        match_key="0f" * 32,
        secrets=Secrets(),
    )
    packed = [recording.begin(cassette.response)]
    packed += [recording.feed(part.raw, part.offset_ns) for part in cassette.parts]
    packed.append(recording.end(cassette.ending.reason, cassette.ending.offset_ns))
    return b"".join(packed)


@pytest.mark.case(35)
@pytest.mark.parametrize(
    ("chunks", "media"),
    [
        pytest.param(hello("Grüße", " aus", " Zürich"), STREAM, id="messages"),
        pytest.param([(5, b"".join(ODD))], STREAM, id="no-messages"),
        pytest.param([], STREAM, id="nothing"),
        pytest.param([(5, b'{"model": "m"'), (9, b"}")], JSON, id="json"),
    ],
)
def test_the_same_input_and_clock_make_the_same_file(
    chunks: list[tuple[int, bytes]], media: tuple[str, str], tmp_path: Path
) -> None:
    """And what is read of it and recorded again is the same file, byte for byte."""
    data = record(chunks, media=media)
    path = tmp_path / "a.tape"
    path.write_bytes(data)

    assert record(chunks, media=media) == data
    assert record_again(read_cassette(path)) == data


@pytest.mark.case(35)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_chunks_of_a_stream_change_its_times_alone(size: int) -> None:
    body = b"".join(chunk for _, chunk in hello("Grüße", " aus", " Zürich"))
    pieces = [(5, body[at : at + size]) for at in range(0, len(body), size)]

    assert record(pieces) == record([(5, body)])


@pytest.mark.case(37)
@pytest.mark.parametrize("ends", LINES, ids=list(LINES))
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_every_form_of_a_stream_is_kept_byte_for_byte(
    ends: str, bom: bytes, size: int, tmp_path: Path
) -> None:
    """
    Comments, many lines of data, no space, no UTF-8; characters cut by the chunks.
    """
    events = [(bom if not at else b"") + each + b"\n" for at, each in enumerate(ODD)]
    body = b"".join(events).replace(b"\n", LINES[ends])
    chunks = [(5, body[at : at + size]) for at in range(0, len(body), size)]
    path = tmp_path / "a.tape"
    path.write_bytes(record(chunks))

    parts = read_cassette(path).parts

    splitter = EventSplitter()
    expected = [*splitter.feed(body), splitter.rest]
    seen = [part.raw for part in parts]
    comment = b": a comment" + LINES[ends]
    if seen[0] == comment:
        # Its blank line came in a later chunk, and begins the next event.
        expected[:2] = [comment, expected[0].removeprefix(comment) + expected[1]]
    assert seen == [raw for raw in expected if raw]
    assert b"".join(part.raw for part in parts) == body


@pytest.mark.case(37)
def test_a_huge_event_is_kept_byte_for_byte(tmp_path: Path, trials: Trials) -> None:
    """Of 17 MiB, for no frame is longer than 16; of 64 MiB under ``--long``."""
    size = trials.many(quick=17, long=64) * 1024 * 1024
    event = b"data: " + bytes(range(32, 127)) * (size // 95 + 1) + b"\n\n"
    step = 1024 * 1024
    chunks = [(5, event[at : at + step]) for at in range(0, len(event), step)]
    path = tmp_path / "a.tape"
    data = record([*chunks, (9, b"data: x\n\n")])
    path.write_bytes(data)

    with CassetteReader(path) as reader:
        first, second = reader.parts()

    assert (first.raw == event, second.raw) == (True, b"data: x\n\n")
    frames = list(FrameReader().feed(data[: -TRAILER.size]))
    assert max(len(frame.payload) for frame in frames) == MAX_PAYLOAD_BYTES


@pytest.mark.case(37)
def test_a_hundred_thousand_chunks_of_one_byte_are_kept(
    tmp_path: Path, trials: Trials
) -> None:
    body = b"".join(b"data: %d\n\n" % number for number in range(7600))
    assert len(body) > 90_000
    chunks = [(5 + at, body[at : at + 1]) for at in range(len(body))]
    path = tmp_path / "a.tape"
    path.write_bytes(record(chunks))

    parts = read_cassette(path).parts

    trials.ran = len(chunks)
    trials.lost = 7600 - len(parts)
    assert trials.lost == 0
    assert b"".join(part.raw for part in parts) == body
    # Each came when its last byte did.
    at = 4
    for part in parts:
        at += len(part.raw)
        trials.wrong += part.offset_ns != at * MS
    assert trials.wrong == 0
