from __future__ import annotations

from typing import Any

import msgpack
import pytest

from crafting import (
    ENDING,
    EVENTS,
    HEAD_FRAMES,
    HEADER,
    REQUEST,
    REQUEST_FIELDS,
    RESPONSE,
    RESPONSE_FIELDS,
    SUMMARY,
    craft,
    craft_ended,
    write_full,
)
from helpers import every_split
from streamtape.core.format.frames import MAGIC, Flags
from streamtape.core.format.reader import MAX_RECORD_BYTES, FrameReader, RecordReader
from streamtape.core.format.records import End, Header, Kind, Record
from streamtape.core.format.writer import FrameWriter, RecordWriter
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import DamagedCassetteError, UnsupportedVersionError


def read(*blocks: bytes) -> list[Record]:
    reader = RecordReader()
    return [record for block in blocks for record in reader.feed(block)]


def test_what_is_written_is_read_back_however_it_comes() -> None:
    """Every cut of the file gives the same records, times and bytes."""
    data = write_full()

    for blocks in every_split(data):
        assert read(*blocks) == [
            Header(recorded_at="2026-01-02T03:04:05Z"),
            REQUEST,
            RESPONSE,
            Part(10, EVENTS[0]),
            Part(10, EVENTS[1]),
            Part(30, EVENTS[2]),
            End(
                ending=ENDING,
                part_count=3,
                body_bytes=sum(map(len, EVENTS)),
                summary=SUMMARY,
            ),
        ]


def test_the_end_says_where_it_stands() -> None:
    data = write_full()
    reader = RecordReader()
    assert reader.end_offset == 0

    list(reader.feed(data))

    assert reader.end_offset == int.from_bytes(data[-16:-8], "little")


def test_nothing_is_read_behind_the_end() -> None:
    """However it comes: sound frames neither, and the trailer isn't taken for one."""
    data = write_full()
    frames = len(list(FrameReader().feed(data[:-16])))
    counter = FrameWriter()
    for _ in range(frames):
        counter.pack(1, b"x")
    behind = counter.pack(Kind.EVENT, msgpack.packb([50, b"data: more\n\n"]))

    for blocks in ([data[:-16] + behind], [data[:-16], behind], [data, behind]):
        assert read(*blocks) == read(data)


def test_a_record_of_17_mib_is_split_and_joined() -> None:
    body = b'{"a":"' + b"x" * (17 * 1024 * 1024) + b'"}'
    tape = RecordWriter()
    packed = tape.header(Header()) + tape.request(
        clean_request(
            Request(method="POST", target="/v1/messages", body=body), Secrets()
        )
    )

    header, request = read(MAGIC + packed)

    assert isinstance(request, Request)
    assert request.body == body
    assert header == Header()


def test_a_file_cut_within_a_split_record_gives_what_is_before_it() -> None:
    writer = FrameWriter()
    head = [writer.pack(kind, msgpack.packb(fields)) for kind, fields in HEAD_FRAMES]
    half = writer.pack(Kind.EVENT, msgpack.packb([9, b"data"])[:4], flags=Flags.MORE)

    assert len(read(MAGIC + b"".join(head) + half)) == len(head)


@pytest.mark.parametrize(
    "next_kind", [Kind.BODY, Kind.END, Kind.NOTE, 99], ids=["body", "end", "note", "99"]
)
def test_another_type_within_a_split_record_is_damage(next_kind: int) -> None:
    writer = FrameWriter()
    head = [writer.pack(kind, msgpack.packb(fields)) for kind, fields in HEAD_FRAMES]
    whole = msgpack.packb([9, b"data"])
    first = writer.pack(Kind.EVENT, whole[:4], flags=Flags.MORE)
    second = writer.pack(next_kind, whole[4:])

    with pytest.raises(DamagedCassetteError, match="within a split record"):
        read(MAGIC + b"".join(head) + first + second)


def test_a_record_that_goes_on_for_ever_is_refused() -> None:
    """Before all of it is in memory, twice."""
    writer = FrameWriter()
    reader = RecordReader()
    list(reader.feed(MAGIC))
    piece = b"x" * (16 * 1024 * 1024)
    for _ in range(MAX_RECORD_BYTES // len(piece)):
        assert list(reader.feed(writer.pack(1, piece, flags=Flags.MORE))) == []

    with pytest.raises(DamagedCassetteError, match="too long"):
        list(reader.feed(writer.pack(1, b"x", flags=Flags.MORE)))


@pytest.mark.case(28)
@pytest.mark.parametrize("kind", [8, 127, 128, 255])
def test_a_frame_of_an_unknown_type_is_passed_over(kind: int) -> None:
    event = (Kind.EVENT, [9, b"data: a\n\n"])
    data = craft(*HEAD_FRAMES[:2], (kind, "new"), HEAD_FRAMES[2], (kind, 1), event)

    assert read(data)[2:] == [
        Response(
            status=200,
            reason="OK",
            headers=(("content-type", "text/event-stream"),),
            offset_ns=5,
        ),
        Part(9, b"data: a\n\n"),
    ]


@pytest.mark.case(28)
@pytest.mark.parametrize("kind", [8, 200])
def test_a_critical_frame_of_an_unknown_type_is_refused(kind: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"frame type {kind}"):
        read(craft((kind, "new"), flags=Flags.CRITICAL))


def test_a_critical_frame_of_a_known_type_is_read() -> None:
    assert read(craft((Kind.HEADER, HEADER), flags=Flags.CRITICAL)) == [Header(minor=0)]


@pytest.mark.case(28)
def test_unknown_keys_items_and_flags_are_passed_over() -> None:
    """What a later minor version may add."""
    data = craft(
        *((kind, fields | {"new": [1]}) for kind, fields in HEAD_FRAMES),
        (Kind.NOTE, {"text": "a remark"}),
        (Kind.EVENT, [9, b"data: a\n\n", "new"]),
        flags=0xF0,
    )

    records = read(data)

    assert records == [*read(craft(*HEAD_FRAMES)), Part(9, b"data: a\n\n")]


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param([1], id="second-header"),
        pytest.param([2], id="second-request"),
        pytest.param([3], id="second-response"),
        pytest.param([4, 3], id="response-in-the-body"),
        pytest.param([4, 5], id="body-among-events"),
        pytest.param([5, 4], id="event-in-a-body"),
    ],
)
def test_a_record_where_it_cannot_stand_is_damage(kinds: list[int]) -> None:
    records: dict[int, Any] = dict(HEAD_FRAMES) | {4: [9, b"a"], 5: [9, b"a"]}

    with pytest.raises(DamagedCassetteError, match="can't stand here"):
        read(craft(*HEAD_FRAMES, *((kind, records[kind]) for kind in kinds)))


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_a_body_without_all_its_head_is_damage(left_out: int) -> None:
    head = [frame for place, frame in enumerate(HEAD_FRAMES) if place != left_out]

    with pytest.raises(DamagedCassetteError, match="can't stand here"):
        read(craft(*head, (Kind.EVENT, [9, b"a"])))


def bad(name: str, kind: Kind, value: Any) -> Any:
    return pytest.param(kind, value, id=name)


@pytest.mark.case(25)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        bad("header-list", Kind.HEADER, []),
        bad("header-nil", Kind.HEADER, None),
        bad("header-empty", Kind.HEADER, {}),
        bad("minor-text", Kind.HEADER, {"minor": "0"}),
        bad("minor-bool", Kind.HEADER, {"minor": True}),
        bad("recorded-at-number", Kind.HEADER, {"minor": 0, "recorded_at": 7}),
        bad("number-as-key", Kind.HEADER, {"minor": 0, 7: 7}),
        bad("request-number", Kind.REQUEST, 7),
        bad("request-empty", Kind.REQUEST, {}),
        bad("body-text", Kind.REQUEST, REQUEST_FIELDS | {"body": "x"}),
        bad("method-nil", Kind.REQUEST, REQUEST_FIELDS | {"method": None}),
        bad("target-bytes", Kind.REQUEST, REQUEST_FIELDS | {"target": b"/"}),
        bad("headers-map", Kind.REQUEST, REQUEST_FIELDS | {"headers": {"a": "1"}}),
        bad("header-triple", Kind.REQUEST, REQUEST_FIELDS | {"headers": [["a"] * 3]}),
        bad("header-number", Kind.REQUEST, REQUEST_FIELDS | {"headers": [["a", 1]]}),
        bad("header-lists", Kind.REQUEST, REQUEST_FIELDS | {"headers": [[[], []]]}),
        bad("header-crlf", Kind.REQUEST, REQUEST_FIELDS | {"headers": [["a", "\r\n"]]}),
        bad("header-lf", Kind.RESPONSE, RESPONSE_FIELDS | {"headers": [["a\n", ""]]}),
        bad("header-nul", Kind.RESPONSE, RESPONSE_FIELDS | {"headers": [["a", "\0"]]}),
        bad("status-100", Kind.RESPONSE, RESPONSE_FIELDS | {"status": 100}),
        bad("status-1000", Kind.RESPONSE, RESPONSE_FIELDS | {"status": 1000}),
        bad("status-text", Kind.RESPONSE, RESPONSE_FIELDS | {"status": "200"}),
        bad("reason-bytes", Kind.RESPONSE, RESPONSE_FIELDS | {"reason": b"OK"}),
        bad("offset-negative", Kind.RESPONSE, RESPONSE_FIELDS | {"offset_ns": -1}),
        bad("event-map", Kind.EVENT, {"0": 9, "1": b"a"}),
        bad("event-number", Kind.EVENT, 7),
        bad("event-text", Kind.EVENT, "ab"),
        bad("event-empty", Kind.EVENT, []),
        bad("event-without-bytes", Kind.EVENT, [9]),
        bad("event-of-text", Kind.EVENT, [9, "a"]),
        bad("offset-huge", Kind.EVENT, [2**62, b"a"]),
        bad("offset-nan", Kind.EVENT, [float("nan"), b"a"]),
        bad("offset-inf", Kind.EVENT, [float("inf"), b"a"]),
        bad("offset-2-to-63", Kind.EVENT, [2**63, b"a"]),
        bad("offset-less-than-0", Kind.EVENT, [-(2**63), b"a"]),
        bad("offset-bool", Kind.EVENT, [True, b"a"]),
        bad("offset-nil", Kind.EVENT, [None, b"a"]),
        bad("end-list", Kind.END, []),
        bad("end-empty", Kind.END, {}),
        bad("extension", Kind.NOTE, msgpack.ExtType(1, b"x")),
        bad("timestamp", Kind.NOTE, msgpack.Timestamp(1)),
    ],
)
def test_a_frame_that_does_not_hold_what_it_should_is_damage(
    kind: Kind, value: Any
) -> None:
    """No other error comes out, whatever someone put into a frame that verifies."""
    head = [frame for frame in HEAD_FRAMES if frame[0] < kind]
    start = len(craft(*head))

    with pytest.raises(DamagedCassetteError, match="does not hold") as caught:
        read(craft(*head, (kind, value)))

    assert caught.value.offset == start


@pytest.mark.case(25)
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\xc1", id="no-msgpack"),
        pytest.param(b"\x81", id="cut"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map-of-2-to-32"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="list-of-2-to-32"),
        pytest.param(b"\x91" * 100_000, id="deep"),
        pytest.param(b"\x81\xa1\xff\x01", id="key-not-utf-8"),
        pytest.param(b"\x80\x80", id="two-values"),
        pytest.param(b"\x82\xa5minor\0\xa5minor\1", id="a-key-twice"),
        pytest.param(
            b"\x82\xa5minor\0\xa1a\x91\x82\xa1b\0\xa1b\0", id="a-key-twice-within"
        ),
        pytest.param(b"\x82\xa5minor\0\xa1a\xa2\xc3\x28", id="text-not-utf-8"),
        pytest.param(b"\x82\xa5minor\0\xa1a\xa3\xed\xa0\x80", id="half-a-surrogate"),
    ],
)
def test_a_payload_that_is_no_value_is_damage(payload: bytes) -> None:
    packed = FrameWriter().pack(Kind.HEADER, payload)

    with pytest.raises(DamagedCassetteError, match="a HEADER frame does not hold"):
        read(MAGIC + packed)


@pytest.mark.case(21)
def test_a_record_in_many_small_frames_is_joined_once() -> None:
    """A forger may split it as often as there are bytes."""
    body = b"x" * 50_000
    writer = FrameWriter()
    payload = msgpack.packb(REQUEST_FIELDS | {"body": body})
    packed = [writer.pack(Kind.HEADER, msgpack.packb(HEADER))]
    for at in range(len(payload)):
        more = Flags.MORE if at < len(payload) - 1 else 0
        packed.append(writer.pack(Kind.REQUEST, payload[at : at + 1], flags=more))

    request = read(MAGIC + b"".join(packed))[-1]

    assert isinstance(request, Request)
    assert request.body == body


@pytest.mark.case(25)
def test_time_that_runs_backwards_is_damage() -> None:
    head = craft(*HEAD_FRAMES)
    events = [(Kind.EVENT, [at_ns, b"data: a\n\n"]) for at_ns in (9, 9, 8)]

    with pytest.raises(DamagedCassetteError, match="EVENT frame does not") as caught:
        read(craft(*HEAD_FRAMES, *events))

    assert caught.value.offset == len(craft(*HEAD_FRAMES, *events[:2])) > len(head)


EVENT: list[Any] = [9, b"data: a\n\n"]


def test_a_sound_end_is_read() -> None:
    end = read(craft_ended([EVENT]))[-1]

    assert isinstance(end, End)
    assert end.ending == Ending(reason=EndReason.COMPLETE, offset_ns=40)


@pytest.mark.case(27)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"parts": 2}, id="parts"),
        pytest.param({"body_bytes": 8}, id="bytes"),
        pytest.param({"sha256": bytes(32)}, id="digest"),
        pytest.param({"sha256": None}, id="no-digest"),
        pytest.param({"reason": "truncated"}, id="truncated"),
        pytest.param({"reason": "other"}, id="unknown-reason"),
        pytest.param({"reason": []}, id="reason-list"),
        pytest.param({"offset_ns": -1}, id="offset"),
        pytest.param({"detail": None}, id="detail"),
        pytest.param({"summary": []}, id="summary"),
    ],
)
def test_an_end_that_disagrees_is_damage(changed: dict[str, Any]) -> None:
    with pytest.raises(DamagedCassetteError, match="END frame does not hold"):
        read(craft_ended([EVENT], **changed))


@pytest.mark.case(23)
def test_a_frame_from_another_file_is_damage() -> None:
    """Even one of the same number and length, which verifies by itself."""
    one, other = craft_ended([EVENT]), craft_ended([[9, b"data: b\n\n"]])
    start = len(craft(*HEAD_FRAMES))
    end = len(craft(*HEAD_FRAMES, (Kind.EVENT, EVENT)))
    assert len(one) == len(other)

    with pytest.raises(DamagedCassetteError, match="END frame does not hold"):
        read(one[:start] + other[start:end] + one[end:])
