from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest

from crafting import (
    ENDING,
    EVENTS,
    REQUEST,
    RESPONSE,
    SUMMARY,
    write_full,
)
from streamtape.core.format.frames import MAGIC, TRAILER_MAGIC
from streamtape.core.format.reader import FrameReader, RecordReader, find_end
from streamtape.core.format.records import End, Header, Kind, Record
from streamtape.core.format.writer import RecordWriter
from streamtape.core.model import Response
from streamtape.core.redaction.headers import clean_request, clean_response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_bytes

MATCH = (1, bytes(range(32)))


def read(*blocks: bytes) -> list[Record]:
    reader = RecordReader()
    return [record for block in blocks for record in reader.feed(block)]


@pytest.mark.case(35)
def test_the_same_calls_give_the_same_bytes() -> None:
    assert write_full() == write_full()


def test_maps_are_written_with_sorted_keys() -> None:
    """So that another writer of the format can make the same file."""
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


def test_a_body_that_is_no_stream_is_written_as_such() -> None:
    """Its parts are chunks, and the frames say so."""
    tape = RecordWriter()
    head = Response(
        status=200,
        reason="OK",
        headers=(("content-type", "application/json"),),
        offset_ns=5,
    )
    tape.response(clean_response(head, Secrets()))

    assert tape.parts(7, [clean_bytes(b"{}", Secrets())])[4] == Kind.BODY
    assert write_full().count(bytes([Kind.EVENT, 0])) >= 3


def test_the_match_key_stands_in_the_header() -> None:
    packed = MAGIC + RecordWriter().header(Header(match=MATCH))

    assert read(packed) == [Header(match=MATCH)]


def test_a_summary_that_is_too_long_for_a_reader_is_left_out() -> None:
    """An upstream may count anything."""
    tape = RecordWriter()
    usage = dict.fromkeys(map(str, range(40_000)), 0)
    data = b"".join(
        [
            MAGIC,
            tape.header(Header()),
            tape.request(clean_request(REQUEST, Secrets())),
            tape.response(clean_response(RESPONSE, Secrets())),
            tape.end(ENDING, {"usage": usage}),
        ]
    )

    end = read(data)[-1]

    assert isinstance(end, End)
    assert (end.ending, end.summary) == (ENDING, {})


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda tape: tape.request(REQUEST), id="request"),
        pytest.param(lambda tape: tape.response(RESPONSE), id="response"),
        pytest.param(lambda tape: tape.parts(10, [EVENTS[0]]), id="parts"),
    ],
)
def test_only_what_a_redactor_made_is_packed(
    pack: Callable[[RecordWriter], bytes],
) -> None:
    with pytest.raises(TypeError, match=r"expected Clean\w+, got"):
        pack(RecordWriter())
