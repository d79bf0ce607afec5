from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import every_split
from streamtape.core.sse import (
    EventSplitter,
    ServerSentEvent,
    encode_event,
    parse_event,
)


def cut(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    """Return the events of a stream that comes in these chunks, and the rest."""
    splitter = EventSplitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return events, splitter.rest


@pytest.mark.case(37)
@pytest.mark.parametrize(
    ("events", "rest"),
    [
        pytest.param([], b"", id="nothing"),
        pytest.param([b"data: a\n\n", b"data: b\n\n"], b"", id="lf"),
        pytest.param([b"data: a\r\n\r\n", b"data: b\r\n\r\n"], b"", id="crlf"),
        pytest.param([b"data: a\r\r", b"data: b\r\r"], b"", id="cr"),
        pytest.param([b"data: a\r\n\n", b"data: b\r\n\n"], b"", id="crlf-then-lf"),
        pytest.param([b"data: a\n\r\n", b"data: b\n\r\n"], b"", id="lf-then-crlf"),
        pytest.param([b"data: a\n\r", b"data: b\n\r"], b"data: c", id="lf-then-cr"),
        pytest.param(
            [b"data: a\r\n\r", b"data: b\r\n\r"], b"data: c", id="crlf-then-cr"
        ),
        # The LF could also be said to end the blank line. Where it goes must not
        # depend on whether it came in the same chunk, and here it says nothing.
        pytest.param([b"data: a\r\r", b"\ndata: b\r\r"], b"\n", id="cr-then-crlf"),
        pytest.param([b"data: a\n\r"], b"\rdata: b", id="lf-then-two-crs"),
        pytest.param([b"data: a\r\r", b"data: b\n\n"], b"", id="cr-then-lf"),
        pytest.param([b"data: a\n\r\n", b"data: b\n\n"], b"", id="crlf-and-lf"),
        pytest.param([], b"data: a\n\r", id="cr-that-may-be-half-of-a-crlf"),
        pytest.param([], b"data: a\r\n", id="one-crlf-is-one-line-end"),
        pytest.param([], b"data: a\n", id="no-final-blank-line"),
        pytest.param([b"data: a\n\n"], b"data: b", id="cut-within-an-event"),
        pytest.param([b"\n\n", b"\n\n"], b"\n", id="blank-lines-alone"),
        pytest.param([b"data: a\n\n", b"\ndata: b\n\n"], b"", id="spare-blank-line"),
        pytest.param([b": ping\n\n", b"data: a\n\n"], b"", id="comment"),
        pytest.param([b"\xef\xbb\xbfdata: a\n\n"], b"", id="bom"),
        pytest.param(["data: é€🎈\n\n".encode()], "é".encode()[:1], id="utf-8"),
        pytest.param(["data: \u2028\u0085\n\n".encode()], b"", id="unicode-line-ends"),
        pytest.param([b"data: \0\v\f\x1c\n\n"], b"", id="control-characters"),
    ],
)
def test_a_stream_is_cut_at_blank_lines_however_it_comes(
    events: list[bytes], rest: bytes
) -> None:
    """Every kind of line end and cut of the stream gives the same events."""
    for chunks in every_split(b"".join(events) + rest):
        assert cut(chunks) == (events, rest), chunks


@pytest.mark.case(37)
@given(
    st.lists(
        st.sampled_from(
            [b"\r", b"\n", b":", b" ", b"a", b"\0", b"\xef\xbb\xbf", "é".encode()]
        ),
        max_size=24,
    ).map(b"".join),
    st.lists(st.integers(0, 32)),
)
def test_no_byte_is_lost_and_no_cut_depends_on_the_chunks(
    stream: bytes, places: list[int]
) -> None:
    """Whatever comes, and however, is given back byte for byte and cut alike."""
    bounds = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(bounds)]

    events, rest = cut(chunks)

    assert b"".join(events) + rest == stream
    assert (events, rest) == cut([stream])


@pytest.mark.parametrize("size", [1, 4096, 65_537])
def test_a_huge_event_is_one_event(size: int) -> None:
    """There is no limit to an event, and what follows it is cut as ever."""
    events = [b"data: " + b"a" * 200_000 + b"\r\n\r\n", b"data: b\r\n\r\n"]
    stream = b"".join(events)
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]

    assert cut(chunks) == (events, b"")


def test_an_event_is_given_back_with_the_chunk_that_ends_it() -> None:
    """A live stream isn't held up by waiting for what comes next."""
    splitter = EventSplitter()

    assert splitter.feed(b"data: a\r\n\r") == []
    assert splitter.feed(b"\ndata: b\r\r") == [b"data: a\r\n\r\n", b"data: b\r\r"]
    assert splitter.rest == b""


@pytest.mark.case(37)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            b"event: ping\ndata: {}\n\n",
            ServerSentEvent(name="ping", data="{}"),
            id="name-and-data",
        ),
        pytest.param(
            b"event: ping\r\ndata: {}\r\n\r\n",
            ServerSentEvent(name="ping", data="{}"),
            id="crlf",
        ),
        pytest.param(
            b"event: ping\rdata: {}\r\r",
            ServerSentEvent(name="ping", data="{}"),
            id="cr",
        ),
        pytest.param(
            b"\ndata: a\n\n",
            ServerSentEvent(name=None, data="a"),
            id="spare-blank-line",
        ),
        pytest.param(
            b"data: a\ndata:\ndata: b\n\n",
            ServerSentEvent(name=None, data="a\n\nb"),
            id="data-of-many-lines",
        ),
        pytest.param(
            b"data:a\n\n", ServerSentEvent(name=None, data="a"), id="no-space"
        ),
        pytest.param(
            b"data:  a \n\n",
            ServerSentEvent(name=None, data=" a "),
            id="one-space-less",
        ),
        pytest.param(
            b"data: a: b\n\n", ServerSentEvent(name=None, data="a: b"), id="two-colons"
        ),
        pytest.param(b"data\n\n", ServerSentEvent(name=None, data=""), id="no-colon"),
        pytest.param(
            b": ping\n\n", ServerSentEvent(name=None, data=None), id="comment-alone"
        ),
        pytest.param(
            b"data: a\n:data: b\n\n",
            ServerSentEvent(name=None, data="a"),
            id="comment-between",
        ),
        pytest.param(
            b"Data: a\n data: b\ndata : c\nother: d\n\n",
            ServerSentEvent(name=None, data=None),
            id="unknown-fields",
        ),
        pytest.param(
            b"event: a\nevent: b\n\n",
            ServerSentEvent(name="b", data=None),
            id="last-name-counts",
        ),
        pytest.param(
            b"\xef\xbb\xbfdata: a\n\n", ServerSentEvent(name=None, data="a"), id="bom"
        ),
        pytest.param(
            b"data: \xef\xbb\xbfa\n\n",
            ServerSentEvent(name=None, data="\ufeffa"),
            id="bom-within",
        ),
        pytest.param(
            "data: a\u2028b\u0085c\vd\x1ce\n\n".encode(),
            ServerSentEvent(name=None, data="a\u2028b\u0085c\vd\x1ce"),
            id="no-other-line-ends",
        ),
        pytest.param(
            b"data: \xc3\ndata: \xff\n\n",
            ServerSentEvent(name=None, data="\ufffd\n\ufffd"),
            id="not-utf-8",
        ),
        pytest.param(
            b"id: 7\nretry: 3000\n\n",
            ServerSentEvent(name=None, data=None, id="7", retry="3000"),
            id="id-and-retry",
        ),
        pytest.param(
            b"id\n\n", ServerSentEvent(name=None, data=None, id=""), id="empty-id"
        ),
        pytest.param(
            b"id: 7\nid: 8\0\n\n",
            ServerSentEvent(name=None, data=None, id="7"),
            id="id-with-nul",
        ),
        pytest.param(
            "retry: 1s\nretry: -1\nretry:\nretry: ٣\n\n".encode(),
            ServerSentEvent(name=None, data=None),
            id="retry-is-ascii-digits",
        ),
        pytest.param(
            b"data: a\0b\n\n",
            ServerSentEvent(name=None, data="a\0b"),
            id="data-with-nul",
        ),
        pytest.param(
            b"event: a\ndata: b",
            ServerSentEvent(name="a", data="b"),
            id="no-final-line-end",
        ),
        pytest.param(b"", ServerSentEvent(name=None, data=None), id="nothing"),
    ],
)
def test_the_fields_of_an_event(raw: bytes, expected: ServerSentEvent) -> None:
    """Fields are read as WHATWG HTML section 9.2.6 says."""
    assert parse_event(raw) == expected


@given(st.binary())
def test_reading_an_event_never_fails(raw: bytes) -> None:
    """Any bytes are an event, if one that says nothing."""
    assert isinstance(parse_event(raw), ServerSentEvent)


@given(
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])),
    st.none() | st.from_regex(r"[a-z_]+", fullmatch=True),
)
def test_what_is_written_is_read_back(data: str, name: str | None) -> None:
    """An encoded event is one event, with the same name and data."""
    raw = encode_event(data, name=name)

    assert cut([raw]) == ([raw], b"")
    assert parse_event(raw) == ServerSentEvent(name=name, data=data)


def test_an_event_is_written_as_the_api_writes_it() -> None:
    """The name stands first, a space follows each colon, and LF ends each line."""
    assert encode_event("{}", name="ping") == b"event: ping\ndata: {}\n\n"


@pytest.mark.case(37)
def test_an_event_that_never_ends_is_given_back_in_pieces() -> None:
    stream = b"data: " + b"x" * 25 + b"\n\ndata: y\n\n" + b"data: " + b"z" * 25
    for chunks in every_split(stream):
        splitter = EventSplitter(longest_bytes=10)
        events = [event for chunk in chunks for event in splitter.feed(chunk)]
        assert max(map(len, events)) == 10
        assert len(splitter.rest) <= 10
        assert b"".join([*events, splitter.rest]) == stream
