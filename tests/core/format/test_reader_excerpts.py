"""Records that are found on their own, in whole files and in what is none."""

from __future__ import annotations

import pytest

from crafting import HEAD_FRAMES, HEADER, REQUEST, craft, write_full
from streamtape.core.format.frames import MAGIC, Flags
from streamtape.core.format.reader import find_end, find_header, find_request
from streamtape.core.format.records import Header, Kind
from streamtape.core.format.writer import RecordWriter
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets

MATCH = (1, bytes(range(32)))


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


def test_the_first_records_are_found_in_the_first_bytes() -> None:
    """As soon as they are whole, whatever follows."""
    tape = RecordWriter()
    header = MAGIC + tape.header(Header(match=MATCH))
    both = header + tape.request(clean_request(REQUEST, Secrets()))

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
