"""Compressed answers are recorded and replayed as what they hold."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import Answer, Ending, ask, connect, raw_request
from streamtape.testing import (
    FakeUpstream,
    Framing,
    ReplyEnding,
    Write,
    message_stream,
    raw_reply,
    text,
)

EVENTS = message_stream(text("Grüße aus Zürich"))
BODY = b"".join(EVENTS)

GZIP = 31
ZLIB = 15
RAW_DEFLATE = -15


def compress(
    events: Sequence[bytes], wbits: int, *, has_trailer: bool = True
) -> list[Write]:
    """Compress a stream with a flush after every event, as servers do."""
    compressor = zlib.compressobj(wbits=wbits)
    writes = [
        Write(0, compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH))
        for event in events
    ]
    return [*writes, Write(0, compressor.flush())] if has_trailer else writes


def record_and_replay(
    writes: list[Write],
    encoding: str,
    folder: Path,
    *,
    ending: ReplyEnding = ReplyEnding.COMPLETE,
    framing: Framing = Framing.CHUNKED,
) -> tuple[Answer, Answer]:
    reply = raw_reply(
        writes,
        headers=(("content-encoding", encoding),),
        ending=ending,
        framing=framing,
    )
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        recorded = ask(recording.base_url)
    assert upstream.requests[0].header("accept-encoding") == "identity"
    with streamtape.replay(folder, speed="instant") as replay:
        return recorded, ask(replay.base_url)


@pytest.mark.case(52)
@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize(
    ("writes", "encoding"),
    [
        pytest.param(compress(EVENTS, GZIP), "gzip", id="gzip"),
        pytest.param(compress(EVENTS, GZIP), "GZip", id="gzip-in-odd-case"),
        pytest.param(compress(EVENTS, GZIP), "x-gzip", id="x-gzip"),
        pytest.param(
            [*compress(EVENTS[:3], GZIP), *compress(EVENTS[3:], GZIP)],
            "gzip",
            id="two-members",
        ),
        pytest.param(compress(EVENTS, ZLIB), "deflate", id="deflate"),
        pytest.param(compress(EVENTS, RAW_DEFLATE), "deflate", id="raw-deflate"),
    ],
)
def test_a_compressed_stream_is_given_uncompressed(
    writes: list[Write], encoding: str, framing: Framing, tmp_path: Path
) -> None:
    for answer in record_and_replay(writes, encoding, tmp_path, framing=framing):
        assert (answer.body, answer.ending) == (BODY, Ending.WHOLE)
        assert answer.header("content-encoding") is None

    (cassette,) = read_library(tmp_path)
    assert [part.raw for part in cassette.events] == EVENTS
    assert cassette.ending.reason == "complete"


@pytest.mark.case(52)
def test_a_compressed_stream_that_is_cut_keeps_what_came(tmp_path: Path) -> None:
    writes = compress(EVENTS[:3], GZIP, has_trailer=False)

    for answer in record_and_replay(writes, "gzip", tmp_path, ending=ReplyEnding.CUT):
        assert (answer.body, answer.ending) == (b"".join(EVENTS[:3]), Ending.CLOSED)

    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "upstream_cut"


@pytest.mark.case(52)
@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize("has_body", [True, False], ids=["in-the-end", "in-the-head"])
def test_compressed_data_that_are_cut_short_are_a_broken_answer(
    has_body: bool, framing: Framing, tmp_path: Path
) -> None:
    """The framing is whole, so nothing but the data themselves can tell."""
    writes = compress(EVENTS, GZIP, has_trailer=False)
    writes = writes if has_body else [Write(0, writes[0].raw[:5])]
    body = BODY if has_body else b""

    for answer in record_and_replay(writes, "gzip", tmp_path, framing=framing):
        assert (answer.body, answer.ending) == (body, Ending.CLOSED)

    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "upstream_cut"
    assert cassette.ending.detail == "the compressed body is cut off"


@pytest.mark.case(52)
def test_what_only_claims_to_be_compressed_is_a_broken_answer(tmp_path: Path) -> None:
    for answer in record_and_replay([Write(0, BODY)], "gzip", tmp_path):
        assert (answer.status, answer.body, answer.ending) == (200, b"", Ending.CLOSED)


@pytest.mark.case(52)
@pytest.mark.parametrize("encoding", ["x-made-up", "gzip, x-made-up"])
def test_an_encoding_that_nobody_here_knows_passes_as_it_is(
    encoding: str, tmp_path: Path
) -> None:
    for answer in record_and_replay([Write(0, b"\x8b\0odd")], encoding, tmp_path):
        assert (answer.body, answer.ending) == (b"\x8b\0odd", Ending.WHOLE)
        assert answer.header("content-encoding") == encoding


@pytest.mark.parametrize("writes", [1, 3])
def test_compressed_events_are_handed_on_as_they_come(
    writes: int, tmp_path: Path
) -> None:
    """The upstream sends no more until the client has what came before."""
    reply = raw_reply(
        compress(EVENTS, GZIP)[:writes],
        headers=(("content-encoding", "gzip"),),
        ending=ReplyEnding.STALL,
    )
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        connect(recording.base_url) as client,
    ):
        client.sendall(raw_request(recording.base_url, "GET / HTTP/1.1"))
        received = b""
        while EVENTS[writes - 1] not in received:
            received += client.recv(1 << 16)


@pytest.mark.case(52)
@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_what_cant_be_decoded_here_is_said_so_and_not_recorded(
    encoding: str, tmp_path: Path
) -> None:
    reply = raw_reply(b"\x8b\0odd", headers=(("content-encoding", encoding),))
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        answer = ask(recording.base_url)

    assert answer.status == 502
    assert f"compressed its answer as {encoding}, although asked".encode() in (
        answer.body
    )
    assert list(tmp_path.iterdir()) == []
