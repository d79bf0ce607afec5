from __future__ import annotations

import hashlib
from typing import Any

import msgpack
import pytest

from helpers import every_split
from streamtape.core.frames import (
    MAGIC,
    TRAILER_MAGIC,
    Flags,
    FrameReader,
    FrameWriter,
)
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.records import End, Header, Kind, Record
from streamtape.core.redaction import (
    CleanBytes,
    CleanRequest,
    CleanResponse,
    clean_bytes,
    clean_request,
    clean_response,
)
from streamtape.core.tape import (
    MAX_RECORD_BYTES,
    TapeReader,
    TapeWriter,
    find_end,
    find_header,
    find_request,
)
from streamtape.errors import DamagedCassetteError, UnsupportedVersionError

REQUEST = Request(
    method="POST",
    target="/v1/messages",
    headers=(("Content-Type", "application/json"),),
    body=b"{}",
)
RESPONSE = Response(
    status=200,
    reason="OK",
    headers=(("content-type", "text/event-stream"), ("Retry-After", "7")),
    offset_ns=5,
)
EVENTS = [
    b"event: ping\ndata: {}   \n\n",
    "data: é🎈\r\n\r\n".encode(),
    b"data: cut \xf0\x9f",
]
SUMMARY = {"model": "m", "usage": {"output_tokens": 3}}
ENDING = Ending(reason=EndReason.UPSTREAM_CUT, offset_ns=40, detail="it broke")
HEADER: dict[str, Any] = {"minor": 0}
REQUEST_FIELDS: dict[str, Any] = {
    "body": b"{}",
    "headers": [["A", "1"]],
    "method": "POST",
    "target": "/",
}
RESPONSE_FIELDS: dict[str, Any] = {
    "headers": [["content-type", "text/event-stream"]],
    "offset_ns": 5,
    "reason": "OK",
    "status": 200,
}
HEAD_FRAMES: list[tuple[int, Any]] = [
    (Kind.HEADER, HEADER),
    (Kind.REQUEST, REQUEST_FIELDS),
    (Kind.RESPONSE, RESPONSE_FIELDS),
]


def write_full() -> bytes:
    tape = TapeWriter()
    return b"".join(
        [
            MAGIC,
            tape.header(Header(recorded_at="2026-01-02T03:04:05Z")),
            tape.request(clean_request(REQUEST)),
            tape.response(clean_response(RESPONSE)),
            tape.parts(10, [clean_bytes(EVENTS[0]), clean_bytes(EVENTS[1])]),
            tape.parts(30, [clean_bytes(EVENTS[2])]),
            tape.end(ENDING, SUMMARY),
        ]
    )


def read(*blocks: bytes) -> list[Record]:
    reader = TapeReader()
    return [record for block in blocks for record in reader.feed(block)]


def craft(*frames: tuple[int, Any], flags: int = 0) -> bytes:
    """
    Make a file whose frames verify, whatever they hold.
    """
    writer = FrameWriter()
    packed = [writer.pack(kind, msgpack.packb(v), flags=flags) for kind, v in frames]
    return MAGIC + b"".join(packed)


def craft_ended(events: list[Any], **changed: Any) -> bytes:
    """
    Make a file with a sound END, but for the fields that are given.
    """
    writer = FrameWriter()
    frames = [*HEAD_FRAMES, *((Kind.EVENT, event) for event in events)]
    before = MAGIC + b"".join(writer.pack(kind, msgpack.packb(v)) for kind, v in frames)
    fields = {
        "body_bytes": sum(len(raw) for _, raw in events),
        "detail": "",
        "offset_ns": 40,
        "parts": len(events),
        "reason": "complete",
        "sha256": hashlib.sha256(before).digest(),
        "summary": {},
    }
    return before + writer.pack(Kind.END, msgpack.packb(fields | changed))


def test_what_is_written_is_read_back_however_it_comes() -> None:
    """
    Every cut of the file gives the same records, times and bytes.
    """
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


def test_the_same_calls_give_the_same_bytes() -> None:
    assert write_full() == write_full()


def test_maps_are_written_with_sorted_keys() -> None:
    """
    So that another writer of the format can make the same file.
    """
    payloads = [frame.payload for frame in FrameReader().feed(write_full())]
    maps = [fields for p in payloads if isinstance(fields := msgpack.unpackb(p), dict)]

    assert len(maps) == 4
    for fields in maps:
        assert list(fields) == sorted(fields)


def test_a_finished_file_says_where_its_end_is() -> None:
    data = write_full()

    position = int.from_bytes(data[-16:-8], "little")
    assert data[-8:] == TRAILER_MAGIC
    end = find_end(data[position:-16])
    assert end is not None
    assert end.ending == ENDING
    assert end.summary == SUMMARY


def test_an_end_frame_is_all_that_is_found_as_one() -> None:
    data = write_full()
    packed = data[int.from_bytes(data[-16:-8], "little") : -16]

    assert find_end(packed) is not None
    assert find_end(packed[:-1]) is None
    assert find_end(packed + b"\0") is None
    assert find_end(b"") is None
    assert find_end(craft((Kind.HEADER, HEADER))[9:]) is None
    assert find_end(craft((Kind.END, {}))[9:]) is None
    assert find_end(craft((Kind.END, []))[9:]) is None


def test_the_end_says_where_it_stands() -> None:
    data = write_full()
    reader = TapeReader()
    assert reader.end_offset == 0

    list(reader.feed(data))

    assert reader.end_offset == int.from_bytes(data[-16:-8], "little")


def test_nothing_is_read_behind_the_end() -> None:
    """
    However it comes: sound frames neither, and the trailer isn't taken for one.
    """
    data = write_full()
    frames = len(list(FrameReader().feed(data[:-16])))
    counter = FrameWriter()
    for _ in range(frames):
        counter.pack(1, b"x")
    behind = counter.pack(Kind.EVENT, msgpack.packb([50, b"data: more\n\n"]))

    for blocks in ([data[:-16] + behind], [data[:-16], behind], [data, behind]):
        assert read(*blocks) == read(data)


def test_a_body_that_is_no_stream_is_written_as_such() -> None:
    """
    Its parts are chunks, and the frames say so.
    """
    tape = TapeWriter()
    head = Response(
        status=200,
        reason="OK",
        headers=(("content-type", "application/json"),),
        offset_ns=5,
    )
    tape.response(clean_response(head))

    assert tape.parts(7, [clean_bytes(b"{}")])[4] == Kind.BODY
    assert write_full().count(bytes([Kind.EVENT, 0])) >= 3


def test_a_record_of_17_mib_is_split_and_joined() -> None:
    body = b'{"a":"' + b"x" * (17 * 1024 * 1024) + b'"}'
    tape = TapeWriter()
    packed = tape.header(Header()) + tape.request(
        clean_request(Request(method="POST", target="/v1/messages", body=body))
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
    """
    Before all of it is in memory, twice.
    """
    writer = FrameWriter()
    reader = TapeReader()
    list(reader.feed(MAGIC))
    piece = b"x" * (16 * 1024 * 1024)
    for _ in range(MAX_RECORD_BYTES // len(piece)):
        assert list(reader.feed(writer.pack(1, piece, flags=Flags.MORE))) == []

    with pytest.raises(DamagedCassetteError, match="too long"):
        list(reader.feed(writer.pack(1, b"x", flags=Flags.MORE)))


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


@pytest.mark.parametrize("kind", [8, 200])
def test_a_critical_frame_of_an_unknown_type_is_refused(kind: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"frame type {kind}"):
        read(craft((kind, "new"), flags=Flags.CRITICAL))


MATCH = (1, bytes(range(32)))


def test_the_match_key_stands_in_the_header() -> None:
    packed = MAGIC + TapeWriter().header(Header(match=MATCH))

    assert read(packed) == [Header(match=MATCH)]


def test_the_first_records_are_found_in_the_first_bytes() -> None:
    """
    As soon as they are whole, whatever follows.
    """
    tape = TapeWriter()
    header = MAGIC + tape.header(Header(match=MATCH))
    both = header + tape.request(clean_request(REQUEST))

    for size in range(len(both) + 5):
        start = (both + b"junk.")[:size]
        is_header, is_request = size >= len(header), size >= len(both)
        assert find_header(start) == (Header(match=MATCH) if is_header else None)
        assert find_request(start) == (REQUEST if is_request else None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"junk", id="foreign"),
        pytest.param(craft(*HEAD_FRAMES).replace(b"STP1", b"STP2"), id="version-2"),
        pytest.param(craft(*HEAD_FRAMES).replace(b"minor", b"mimor"), id="damaged"),
        pytest.param(craft(*HEAD_FRAMES[1:]), id="without-a-header"),
        pytest.param(craft((Kind.HEADER, {})), id="not-what-it-should-be"),
        pytest.param(craft(*HEAD_FRAMES, flags=Flags.MORE), id="split"),
    ],
)
def test_no_record_is_found_where_none_is_sound(data: bytes) -> None:
    assert find_header(data) is None
    assert find_request(data) is None


def test_a_request_that_does_not_follow_at_once_is_left_to_the_reader() -> None:
    data = craft(HEAD_FRAMES[0], (Kind.NOTE, "a remark"), *HEAD_FRAMES[1:])

    assert find_header(data) == Header(minor=0)
    assert find_request(data) is None


def test_a_critical_frame_of_a_known_type_is_read() -> None:
    assert read(craft((Kind.HEADER, HEADER), flags=Flags.CRITICAL)) == [Header(minor=0)]


def test_unknown_keys_items_and_flags_are_passed_over() -> None:
    """
    What a later minor version may add.
    """
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
    """
    No other error comes out, whatever someone put into a frame that verifies.
    """
    head = [frame for frame in HEAD_FRAMES if frame[0] < kind]
    start = len(craft(*head))

    with pytest.raises(DamagedCassetteError, match="does not hold") as caught:
        read(craft(*head, (kind, value)))

    assert caught.value.offset == start


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
    ],
)
def test_a_payload_that_is_no_value_is_damage(payload: bytes) -> None:
    packed = FrameWriter().pack(Kind.HEADER, payload)

    with pytest.raises(DamagedCassetteError, match="a HEADER frame does not hold"):
        read(MAGIC + packed)


EVENT: list[Any] = [9, b"data: a\n\n"]


def test_a_sound_end_is_read() -> None:
    end = read(craft_ended([EVENT]))[-1]

    assert isinstance(end, End)
    assert end.ending == Ending(reason=EndReason.COMPLETE, offset_ns=40)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"parts": 2}, id="parts"),
        pytest.param({"body_bytes": 8}, id="bytes"),
        pytest.param({"sha256": bytes(32)}, id="digest"),
        pytest.param({"sha256": None}, id="no-digest"),
        pytest.param({"reason": "torn"}, id="torn"),
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


def test_a_frame_from_another_file_is_damage() -> None:
    """
    Even one of the same number and length, which verifies by itself.
    """
    one, other = craft_ended([EVENT]), craft_ended([[9, b"data: b\n\n"]])
    start = len(craft(*HEAD_FRAMES))
    end = len(craft(*HEAD_FRAMES, (Kind.EVENT, EVENT)))
    assert len(one) == len(other)

    with pytest.raises(DamagedCassetteError, match="END frame does not hold"):
        read(one[:start] + other[start:end] + one[end:])


def test_only_clean_values_can_be_packed() -> None:
    """
    The types that the redactor makes are all that the writer says it takes.
    """
    annotations = {
        name: getattr(TapeWriter, name).__annotations__
        for name in ("request", "response", "parts")
    }

    assert annotations["request"]["request"] == CleanRequest.__name__
    assert annotations["response"]["response"] == CleanResponse.__name__
    assert annotations["parts"]["raws"] == f"list[{CleanBytes.__name__}]"
