"""Bodies of requests: too large, bombs, and of every method."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.processes import Program, start_recorder
from e2e.runs import read_library
from e2e.wire import Answer, Ending, ask, ask_raw, raw_request
from e2e.wire import chunk as framed
from streamtape.testing import INSTANT, FakeUpstream, raw_reply, stream_reply, text
from usage import IS_TOLD, MIB, forget_peak, peak_rss_bytes

LIMIT: Final = 32 * MIB
REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


@contextlib.contextmanager
def program(command: Sequence[str], folder: Path) -> Iterator[Program]:
    """Run the program, warmed up by a first request."""
    where = ("--cassettes", folder, "--port", "0")
    with Program(*command, *where) as running:
        ask(running.base_url, body=b"{}")
        yield running


@cache
def compressed_zeros() -> bytes:
    """256 MiB that are short on the wire."""
    return gzip.compress(bytes(256 * MIB))


@pytest.mark.case(62)
@pytest.mark.skipif(not IS_TOLD, reason="what a process uses is read from /proc")
@pytest.mark.parametrize(
    ("command", "status"), [("record", 200), ("replay", 424)], ids=["record", "replay"]
)
def test_a_compression_bomb_costs_no_more_than_a_body_of_the_limit(
    command: str, status: int, tmp_path: Path
) -> None:
    bomb = compressed_zeros()
    with FakeUpstream(lambda _: REPLY) as upstream:
        to = () if command == "replay" else ("--upstream", upstream.url)
        with program((command, *to), tmp_path) as running:
            before = forget_peak(running.pid)
            answer = ask(
                running.base_url, headers=(("Content-Encoding", "gzip"),), body=bomb
            )
            grown = peak_rss_bytes(running.pid) - before
            assert running.stop().status == 0

    assert answer.status == status
    # It was inflated up to the limit, and then given up.
    assert grown < 3 * LIMIT
    if command == "record":
        # What goes upstream is what came.
        assert upstream.requests[-1].body == bomb
        assert all(len(each.request.body) < 1000 for each in read_library(tmp_path))


@pytest.mark.case(63)
@pytest.mark.skipif(not IS_TOLD, reason="what a process uses is read from /proc")
def test_a_body_over_the_limit_is_held_once_and_never_forwarded(
    tmp_path: Path,
) -> None:
    part = framed(bytes(MIB))
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        program(("record", "--upstream", upstream.url), tmp_path) as running,
    ):
        url = running.base_url
        before = forget_peak(running.pid)
        said = ask(url, body=bytes(LIMIT + 1))
        grown_at_once = peak_rss_bytes(running.pid) - before
        head = raw_request(
            url, "POST /v1/messages HTTP/1.1", "Transfer-Encoding: chunked"
        )
        streamed = ask_raw(url, head + part * 40 + framed(b""))
        grown = peak_rss_bytes(running.pid) - before
        end = running.stop()

    for answer in (said, streamed):
        assert (answer.status, answer.ending) == (413, Ending.WHOLE)
        assert json.loads(answer.body)["error"]["type"] == "request_too_large"
        assert answer.header("x-should-retry") == "false"
        assert answer.header("connection") == "close"
    # Its length says that it is too large, before any of it is read.
    assert grown_at_once < 8 * MIB
    assert grown < 1.5 * LIMIT
    assert [seen.body for seen in upstream.requests] == [b"{}"]
    assert len(list(tmp_path.iterdir())) == 1
    assert end.status == 0


METHODS: Final = [
    ("GET", "/v1/unheard/of"),
    ("PUT", "/v1/unheard/of"),
    ("PATCH", "/v1/unheard/of"),
    ("DELETE", "/v1/unheard/of"),
    ("POST", "/unheard"),
    ("GET", "/"),
]


def ask_all(base_url: str) -> list[Answer]:
    return [ask(base_url, method=method, target=path) for method, path in METHODS]


@pytest.mark.case(64)
def test_what_we_know_nothing_of_is_recorded_whole_or_missed(tmp_path: Path) -> None:
    replies = [
        raw_reply(f"{number}".encode() * 1000, content_type="text/plain")
        for number in range(len(METHODS))
    ]
    with (
        FakeUpstream(replies) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        recorded = ask_all(recorder.base_url)
        assert ask(recorder.base_url, method="HEAD").header("x-streamtape") == "local"
        assert recorder.stop().status == 0

    assert [(seen.method, seen.target) for seen in upstream.requests] == METHODS
    assert [each.body for each in recorded] == [reply.body for reply in replies]
    kept = read_library(tmp_path)
    assert len(kept) == len(METHODS)
    assert all(cassette.ending.is_complete for cassette in kept)
    with streamtape.replay(tmp_path) as replay:
        assert [each.body for each in ask_all(replay.base_url)] == [
            each.body for each in recorded
        ]
        for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
            answer = ask(replay.base_url, method=method, target="/v1/not/recorded")
            assert answer.status == 424
        assert ask(replay.base_url, method="HEAD").header("x-streamtape") == "local"
    assert len(read_library(tmp_path)) == len(METHODS)
