from __future__ import annotations

from pathlib import Path

import pytest

from crafting import HEAD_FRAMES, craft, craft_ended, write_full
from forging import PRIVATE, forge, request_frame, response_frame
from helpers import every_split
from streamtape.core.format.frames import HEAD, MAGIC, MAX_PAYLOAD_BYTES
from streamtape.core.format.records import End, Kind
from streamtape.core.model import Part
from streamtape.core.rewriting.frames import RecordFrames, RecordFramesReader
from streamtape.errors import NotACassetteError, UnsupportedVersionError

GOLDEN = Path(__file__).parents[2] / "data/v1"


def read(data: bytes) -> tuple[RecordFramesReader, list[RecordFrames]]:
    reader = RecordFramesReader()
    return reader, list(reader.feed(data))


def test_the_frames_of_all_records_are_the_file() -> None:
    data = write_full()

    for blocks in every_split(data):
        reader = RecordFramesReader()
        records = [framed for block in blocks for framed in reader.feed(block)]

        frames = [frame for framed in records for frame in framed.frames]
        assert [frame.offset for frame in frames[:2]] == [
            len(MAGIC),
            len(MAGIC) + HEAD.size + len(frames[0].payload),
        ]
        assert sum(HEAD.size + len(frame.payload) for frame in frames) == (
            reader.offset - len(MAGIC)
        )
        assert isinstance(records[-1].record, End)
        assert reader.has_end
        assert reader.fault is None


def test_what_is_not_known_comes_without_a_record() -> None:
    frames = [request_frame(), (PRIVATE, b"x"), response_frame(), (Kind.NOTE, "hi")]

    _, records = read(forge(frames, has_end=False))

    assert [(framed.kind, framed.record is None) for framed in records] == [
        (Kind.HEADER, False),
        (Kind.REQUEST, False),
        (PRIVATE, True),
        (Kind.RESPONSE, False),
        (Kind.NOTE, True),
    ]


def test_a_record_in_several_frames_is_one_record() -> None:
    body = bytes(MAX_PAYLOAD_BYTES + 1)

    reader, records = read(forge([request_frame(body=body), response_frame()]))

    assert [len(framed.frames) for framed in records] == [1, 2, 1, 1]
    assert reader.has_end


def test_it_stops_at_a_record_that_is_not_what_it_should_be() -> None:
    sound = craft(*HEAD_FRAMES, (Kind.EVENT, [5, b"a"]))
    data = craft(*HEAD_FRAMES, (Kind.EVENT, [5, b"a"]), (Kind.EVENT, [4, b"b"]))

    reader, records = read(data + sound)

    assert records[-1].record == Part(5, b"a")
    assert reader.fault == "a EVENT frame does not hold what it should"
    assert reader.offset == len(sound)
    assert list(reader.feed(b"more")) == []


def test_it_stops_at_a_frame_that_does_not_verify() -> None:
    data = bytearray(write_full())
    data[-100] ^= 1

    reader, records = read(bytes(data))

    assert reader.fault == "a checksum is wrong"
    assert not reader.has_end
    assert len(records) == 6


def test_an_end_that_disagrees_is_none() -> None:
    reader, _ = read(craft_ended([[5, b"a"]], parts=2))

    assert not reader.has_end
    assert reader.fault == "a END frame does not hold what it should"


@pytest.mark.parametrize("name", ["future", "critical-frame"])
def test_a_file_of_a_later_version_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedVersionError):
        read((GOLDEN / f"{name}.tape").read_bytes())


def test_what_is_no_cassette_is_refused() -> None:
    with pytest.raises(NotACassetteError):
        read(b"{}")
    reader, _ = read(MAGIC[:4])
    with pytest.raises(NotACassetteError):
        reader.end()
