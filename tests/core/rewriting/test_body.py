from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forging import KEY, PRIVATE, forge, request_frame, response_frame
from streamtape.core.format.records import Kind
from streamtape.core.model import Part, Response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.body import Rewritten, rewritten_body
from streamtape.core.rewriting.frames import RecordFrames, RecordFramesReader

JSON = "application/json"
LINES = "application/x-jsonl"


def rewrite(
    media_type: str, *raws: bytes, between: bool = False
) -> tuple[list[RecordFrames], list[Rewritten]]:
    """Return the records of a body and what comes back, with others in between."""
    kind = Kind.EVENT if media_type == "text/event-stream" else Kind.BODY
    frames: list[tuple[int, Any]] = []
    for i, raw in enumerate(raws):
        frames.append((kind, [i, raw]))
        if between:
            frames.append((PRIVATE, b"x"))
    head = [request_frame(), response_frame(headers=[["content-type", media_type]])]
    records = list(RecordFramesReader().feed(forge([*head, *frames])))
    response = records[2].record
    assert isinstance(response, Response)
    body = rewritten_body(response, Secrets())
    given_back = [each for framed in records[3:-1] for each in body.feed(framed)]
    return records[3:-1], given_back + list(body.end())


def parts(rewritten: list[Rewritten]) -> list[tuple[int, bytes]]:
    return [(each.offset_ns, each.raw) for each in rewritten if each.raw is not None]


@given(
    chunks=st.lists(st.sampled_from([b"", b"a", b'"', b"\n", b" sk-", b"Bearer "])),
    media_type=st.sampled_from([JSON, LINES, "text/event-stream"]),
    between=st.booleans(),
)
@example([b"Bearer ", b"Bearer ", b"\n", b" sk-", b"\n"], LINES, False)
def test_a_body_without_a_key_comes_back_record_by_record(
    chunks: list[bytes], media_type: str, between: bool
) -> None:
    records, rewritten = rewrite(media_type, *chunks, between=between)

    assert [each.framed for each in rewritten] == records
    assert parts(rewritten) == list(enumerate(chunks))


@pytest.mark.parametrize("media_type", [JSON, LINES])
@pytest.mark.parametrize("cut", range(0, len(KEY), 7))
def test_chunks_are_cut_anew_behind_a_key(media_type: str, cut: int) -> None:
    text = f'{{"one": "fine",\n"two": "{KEY}",\n"three": 3}}\n'.encode()
    at = text.index(KEY.encode()) + cut

    records, rewritten = rewrite(
        media_type, text[:5], text[5:9], text[9:at], text[at:], between=True
    )

    body = b"".join(raw for _, raw in parts(rewritten))
    assert body == text.replace(KEY.encode(), b"[redacted]")
    assert [each.framed for each in rewritten[:3]] == records[:3]
    others = [each.framed for each in rewritten if each.raw is None]
    assert others == [framed for framed in records if framed.record is None]
    offsets = [offset for offset, _ in parts(rewritten)]
    assert offsets == sorted(offsets)


def test_events_come_back_one_for_one() -> None:
    raws = [b"data: Bearer \n\n", f"data: {KEY}\n\n".encode(), f"data: {KEY}".encode()]

    records, rewritten = rewrite("text/event-stream", *raws, between=True)

    assert [each.framed for each in rewritten] == records
    assert parts(rewritten) == [
        (0, b"data: Bearer \n\n"),
        (1, b"data: [redacted]\n\n"),
        (2, b"data: [redacted]"),
    ]


def test_an_unfinished_event_in_the_middle_is_one_like_others() -> None:
    _, rewritten = rewrite("text/event-stream", b"data: 1", b"data: 2\n\n")

    assert parts(rewritten) == [(0, b"data: 1"), (1, b"data: 2\n\n")]


def test_the_parts_are_those_of_the_records() -> None:
    records, _ = rewrite(JSON, b"{}")

    assert records[0].record == Part(0, b"{}")
