from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crafting import write_full
from forging import KEY, PRIVATE, Frames, forge, request_frame, response_frame
from proofs import Trials
from streamtape.core.format.frames import MAX_PAYLOAD_BYTES
from streamtape.core.format.reader import RecordReader
from streamtape.core.format.records import End, Header, Kind
from streamtape.core.matching.key import KEY_VERSION, request_key
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import RecordFrames, RecordFramesReader
from streamtape.core.rewriting.rewriter import Rewriter

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "cassettes").rglob("*.tape"))
GOLDEN = [
    ROOT / f"tests/data/v1/{name}.tape"
    for name in ("minimal", "full", "json", "private-frame", "unknown-frame")
]
STALE = [KEY_VERSION, bytes(32)]


def read(data: bytes) -> list[RecordFrames]:
    reader = RecordFramesReader()
    pieces = list(reader.feed(data))
    assert reader.fault is None
    return pieces


def rewrite(data: bytes, secrets: Secrets | None = None) -> tuple[bytes, Rewriter]:
    rewriter = Rewriter(secrets or Secrets())
    new = b"".join(rewriter.feed(piece) for piece in read(data))
    return new + rewriter.finish(), rewriter


def records(data: bytes) -> list[Any]:
    """All records of a sound file, as the reader for replays finds them."""
    return list(RecordReader().feed(data))


def delta(text: str) -> bytes:
    data = json.dumps(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        }
    )
    return f"event: content_block_delta\ndata: {data}\n\n".encode()


def events(*raws: bytes) -> Frames:
    return [(Kind.EVENT, [10 * i + 10, raw]) for i, raw in enumerate(raws)]


@pytest.mark.case(28, 35)
def test_a_rewrite_of_what_holds_no_key_is_the_same_file(trials: Trials) -> None:
    files = [path.read_bytes() for path in (*GOLDEN, *SHIPPED)]
    files += [
        write_full(),
        forge(
            [
                (PRIVATE, b"\xff no value"),
                request_frame(later=1),
                (Kind.NOTE, {"any": "thing"}),
                response_frame(later=[1]),
                (77, b"later"),
                *events(delta("ask-ant"), b"data: s"),
                (Kind.EVENT, [40, delta("k-ant"), "later"]),
                (PRIVATE + 1, b"x"),
                *[(Kind.EVENT, [50, b"data: cut sk"])],
                (Kind.NOTE, ""),
            ],
            header={"later": 1, "match": STALE},
            end={"later": 1, "reason": "upstream_cut"},
        ),
        forge(
            [
                request_frame(),
                response_frame(headers=[["content-type", "application/json"]]),
                (Kind.BODY, [1, b'{"a']),
                (PRIVATE, b"x"),
                (Kind.BODY, [2, b""]),
                (Kind.BODY, [3, b'": "sk']),
                (Kind.BODY, [4, b'-ant-"}']),
                (Kind.NOTE, ""),
            ]
        ),
        forge([request_frame(body=bytes(MAX_PAYLOAD_BYTES + 1)), response_frame()]),
    ]
    for data in files:
        trials.ran += 1
        new, rewriter = rewrite(data)
        trials.wrong += new != data
        assert not rewriter.leaks
    assert trials.wrong == 0


def test_a_truncated_file_stays_one() -> None:
    frames = [request_frame(), response_frame(), *events(delta("a"), b"data: sk-ant-")]
    data = forge(frames, has_end=False)

    new, rewriter = rewrite(data)

    assert new == data
    assert rewriter.leak_count == 0


def test_keys_are_taken_out_wherever_they_are() -> None:
    frames = [
        request_frame(
            body=f'{{"a":"{KEY}"}}'.encode(),
            target=f"/v1/messages?x={KEY}",
            headers=[["x-api-key", KEY], ["accept", "*/*"]],
        ),
        response_frame(
            reason=f"OK {KEY}",
            headers=[["content-type", "text/event-stream"], ["set-cookie", "a=b"]],
        ),
        *events(delta("Hi"), delta(KEY), delta(" bye")),
    ]
    end = {"detail": f"said {KEY}", "summary": {"model": KEY, "more": [{KEY: [KEY]}]}}
    data = forge(frames, header={"recorded_at": KEY}, end=end)

    new, rewriter = rewrite(data)

    assert b"Ab1_" not in new
    header, request, response, *parts, end_record = records(new)
    assert header.recorded_at == "[redacted]"
    assert request.headers == (("x-api-key", "[redacted]"), ("accept", "*/*"))
    assert request.body == b'{"a":"[redacted]"}'
    assert response.reason == "OK [redacted]"
    assert [part.raw for part in parts] == [
        delta("Hi"),
        delta("[redacted]"),
        delta(" bye"),
    ]
    assert end_record.summary == {
        "model": "[redacted]",
        "more": [{"[redacted]": ["[redacted]"]}],
    }
    assert [str(leak) for leak in rewriter.leaks] == [
        "an Anthropic key in request header x-api-key",
        "an Anthropic key in the request's target",
        "an Anthropic key in the request's body",
        "a value that is not kept in response header set-cookie",
        "an Anthropic key in the response's status",
        "an Anthropic key in event 2",
        "an Anthropic key in the ending",
    ]


def test_a_second_rewrite_changes_nothing() -> None:
    frames = [
        request_frame(body=KEY.encode(), headers=[["cookie", "a=b"]]),
        response_frame(),
        *events(delta(KEY[:9]), delta(KEY[9:]), KEY.encode()),
    ]
    once, _ = rewrite(forge(frames))

    again, rewriter = rewrite(once)

    assert again == once
    assert rewriter.leak_count == 0


@pytest.mark.case(75)
def test_events_keep_their_number_order_times_and_neighbours() -> None:
    pieces = ["Here: ", KEY[:9], KEY[9:40], KEY[40:], " that was it"]
    frames: list[tuple[int, Any]] = [request_frame(), response_frame()]
    for i, frame in enumerate(events(*map(delta, pieces))):
        frames += [frame, (PRIVATE, bytes([i]))]

    new, rewriter = rewrite(forge(frames))

    assert b"Ab1_" not in new
    before, after = read(forge(frames)), read(new)
    assert [piece.kind for piece in after] == [piece.kind for piece in before]
    assert [piece.frames[0].payload for piece in after if piece.record is None] == [
        bytes([i]) for i in range(len(pieces))
    ]
    times = [p.record.offset_ns for p in before if isinstance(p.record, Part)]
    parts = [piece.record for piece in after if isinstance(piece.record, Part)]
    assert [part.offset_ns for part in parts] == times
    for part in parts:
        json.loads(part.raw.partition(b"data: ")[2])
    assert {leak.where for leak in rewriter.leaks} == {"event 2", "event 3", "event 4"}


def test_the_rest_that_a_cut_left_over_is_redacted_as_in_a_recording() -> None:
    half = delta("Bye " + KEY)[:-40]
    frames = [request_frame(), response_frame(), *events(delta("Hi "), half)]

    new, _ = rewrite(forge(frames, end={"reason": "upstream_cut"}))

    assert b"Ab1_" not in new
    assert len([each for each in records(new) if isinstance(each, Part)]) == 2


def test_the_match_key_follows_the_request() -> None:
    dirty = request_frame(body=KEY.encode(), headers=[])
    data = forge([dirty, response_frame()], header={"match": STALE})
    new, _ = rewrite(data)

    header, request, *_ = records(new)

    assert isinstance(header, Header)
    assert header.match == (KEY_VERSION, bytes.fromhex(request_key(request)))


@pytest.mark.parametrize(
    "request_fields",
    [{}, {"body": KEY.encode()}],
    ids=["the-request-stays", "the-request-changes"],
)
def test_no_match_key_is_added(request_fields: dict[str, Any]) -> None:
    frames = [
        request_frame(**request_fields),
        response_frame(headers=[["set-cookie", "a=b"]]),
    ]

    header, *_ = records(rewrite(forge(frames))[0])

    assert header == Header(minor=1)


def test_a_match_key_stays_where_the_request_does() -> None:
    frames = [request_frame(), response_frame(headers=[["set-cookie", "a=b"]])]

    header, *_ = records(rewrite(forge(frames, header={"match": STALE}))[0])

    assert header.match == tuple(STALE)


@pytest.mark.case(28)
def test_unknown_frames_are_kept_but_for_those_with_a_key() -> None:
    frames = [
        request_frame(),
        (PRIVATE, b"fine"),
        (PRIVATE, KEY.encode()),
        (Kind.NOTE, "fine"),
        (Kind.NOTE, {"said": KEY}),
        response_frame(),
        *events(delta("Hi")),
        (PRIVATE + 1, b"also"),
    ]

    new, rewriter = rewrite(forge(frames))

    kept = [piece.frames[0].payload for piece in read(new) if piece.record is None]
    assert kept == [b"fine", b"\xa4fine", b"also"]
    assert isinstance(records(new)[-1], End)
    assert [str(leak) for leak in rewriter.leaks] == [
        f"an Anthropic key in a frame of type {PRIVATE}, which was left out",
        "an Anthropic key in a note, which was left out",
    ]


def test_a_key_in_a_field_that_is_not_known_takes_the_field_with_it() -> None:
    frames = [
        request_frame(later=KEY),
        response_frame(),
        (Kind.EVENT, [10, delta("Hi"), KEY]),
    ]

    new, rewriter = rewrite(forge(frames, header={"later": KEY}, end={"later": KEY}))

    assert b"Ab1_" not in new
    assert rewriter.leak_count == 3
    assert [type(each) for each in records(new)] == [
        Header,
        Request,
        Response,
        Part,
        End,
    ]


def test_no_length_before_a_key_hides_it() -> None:
    # The byte before a text of 97 is an a, and ask-ant- begins no key.
    for size in range(40, 256):
        key = KEY[:13] + "A" * (size - 13)
        frames = [
            request_frame(later=[key]),
            (Kind.NOTE, key),
            (PRIVATE, {key: key.encode()}),
            response_frame(later={key: 1}),
            (Kind.EVENT, [1, b"data: 1\n\n", key]),
        ]
        new, _ = rewrite(forge(frames, header={"recorded_at": key, "later": key}))
        assert b"AAAA" not in new


def test_what_was_remembered_is_taken_out_too() -> None:
    secrets = Secrets()
    secrets.add("a-password-of-1999")
    frames = [request_frame(), response_frame(), *events(delta("a-password-of-1999"))]

    new, rewriter = rewrite(forge(frames), secrets)

    assert b"of-1999" not in new
    assert str(rewriter.leaks[0]) == "a secret of this run in event 1"


def test_only_the_first_hundred_are_listed() -> None:
    frames = [request_frame(), response_frame(), *events(*[delta(KEY + " ")] * 150)]

    _, rewriter = rewrite(forge(frames))

    assert len(rewriter.leaks) == 100
    assert rewriter.leak_count == 150


def test_an_end_of_the_callers_is_written_clean() -> None:
    data = forge([request_frame(), response_frame(), *events(b"data: 1\n\n")])
    rewriter = Rewriter(Secrets())
    new = b"".join(rewriter.feed(piece) for piece in read(data)[:-1])
    ending = Ending(reason=EndReason.DISK_ERROR, offset_ns=7, detail=f"lost {KEY}")

    *_, part, end = records(new + rewriter.end(ending, {"model": KEY}))

    assert part == Part(10, b"data: 1\n\n")
    assert end == End(
        ending=Ending(
            reason=EndReason.DISK_ERROR, offset_ns=7, detail="lost [redacted]"
        ),
        part_count=1,
        body_bytes=9,
        summary={"model": "[redacted]"},
    )
