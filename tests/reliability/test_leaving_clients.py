"""A client that leaves takes nothing with it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import struct
import sys
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.processes import run, wait_until
from e2e.runs import read_library
from e2e.wire import (
    CHUNKED_HEAD,
    Ending,
    ask,
    chunk,
    connect,
    listen,
    raw_request,
    url_of,
)
from proofs import Trials
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.server.config import Config
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import (
    FakeUpstream,
    ReplyEnding,
    Write,
    error_event,
    message_stream,
    raw_reply,
    text,
)

EVENTS = message_stream(text("Grüße aus Zürich"))
BODY = b"".join(EVENTS)
FIRST, REST = b"".join(EVENTS[:3]), b"".join(EVENTS[3:])
BOUND_S: Final = 10
"""How soon the upstream is closed behind a client that left."""
MS: Final = 1_000_000
GOES_ON: Final = "a client has left"
ENDED: Final = ": GET /v1/"
LEFT_BY_RESET: Final = struct.pack("ii", 1, 0)


def count_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def count_tasks() -> int:
    """Count what any event loop of this process has still to do."""
    found = [each for each in gc.get_objects() if isinstance(each, asyncio.Task)]
    return sum(not task.done() for task in found)


def ask_and_leave(base_url: str, target: str, *, by_reset: bool) -> None:
    with connect(base_url) as client:
        client.sendall(raw_request(base_url, f"GET {target} HTTP/1.1"))
        received = b""
        while FIRST not in received:
            received += client.recv(1 << 16)
        if by_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEFT_BY_RESET)


@pytest.mark.case(56)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors")
def test_the_upstream_is_closed_behind_each_client_that_leaves(
    trials: Trials, tmp_path: Path
) -> None:
    count = trials.many(quick=20, long=200)
    reply = raw_reply(FIRST, ending=ReplyEnding.STALL)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask_and_leave(recording.base_url, "/v1/before", by_reset=False)
        assert upstream.wait_for_departure(BOUND_S)
        recording.settle()
        before = count_open(), count_tasks()
        for number in range(count):
            target = f"/v1/{number}"
            ask_and_leave(recording.base_url, target, by_reset=number % 2 == 0)
            assert upstream.wait_for_departure(BOUND_S)
            trials.ran += 1
        recording.settle()
        wait_until(lambda: (count_open(), count_tasks()) <= before, "something leaked")

    cassettes = read_library(tmp_path)
    assert len(cassettes) == 1 + count
    trials.wrong += sum(cassette.body != FIRST for cassette in cassettes)
    assert trials.wrong == 0
    assert {tape.ending.reason for tape in cassettes} == {"client_gone"}


@pytest.mark.case(56)
def test_a_replay_of_it_breaks_off_where_the_client_left(tmp_path: Path) -> None:
    reply = raw_reply(FIRST, ending=ReplyEnding.STALL)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask_and_leave(recording.base_url, "/v1/x", by_reset=False)
        assert upstream.wait_for_departure(BOUND_S)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, method="GET", target="/v1/x")

    assert (answer.body, answer.ending) == (FIRST, Ending.CLOSED)


class Finisher:
    """
    A recorder that finishes what its clients leave, and the upstream's side of it.

    A context manager.
    """

    def __init__(
        self,
        folder: Path,
        caplog: pytest.LogCaptureFixture,
        *,
        limit_ns: int = 60_000 * MS,
        limit_bytes: int = 1 << 20,
    ) -> None:
        self._caplog = caplog
        self._caplog.set_level(logging.INFO)
        self._upstream = listen()
        policy = Policy(mode=RecordMode.ALL, on_disconnect=OnDisconnect.FINISH)
        config = Config(
            cassettes=folder,
            policy=policy,
            upstream=url_of(self._upstream),
            detached_limit_ns=limit_ns,
            detached_limit_bytes=limit_bytes,
        )
        self.server = RunningServer(config)

    def __enter__(self) -> Finisher:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self._upstream.close()

    def leave(self, target: str = "/v1/x", *, by_reset: bool = False) -> socket.socket:
        """
        Have a client leave behind the first events; returns the upstream's connection.

        Returns when the recorder knows.
        """
        self._caplog.clear()
        with connect(self.server.base_url) as client:
            base_url = self.server.base_url
            client.sendall(raw_request(base_url, f"GET {target} HTTP/1.1"))
            served, _ = self._upstream.accept()
            served.settimeout(BOUND_S)
            served.sendall(CHUNKED_HEAD + chunk(FIRST))
            received = b""
            while FIRST not in received:
                received += client.recv(1 << 16)
            if by_reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEFT_BY_RESET)
        wait_until(lambda: GOES_ON in self._caplog.text, "the client has not left")
        return served


def is_closed(served: socket.socket) -> bool:
    """Wait until the other side has closed the connection."""
    try:
        while served.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.case(56)
def test_a_recording_may_finish_without_its_client(
    trials: Trials, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Finisher(tmp_path, caplog) as finisher:
        before = 0, 0
        for number in range(trials.many(quick=20, long=200)):
            by_reset = number % 2 == 0
            with finisher.leave(f"/v1/{number}", by_reset=by_reset) as served:
                served.sendall(chunk(REST) + chunk(b""))
                wait_until(lambda: ENDED in caplog.text, "it does not end")
            trials.ran += 1
            if number == 0:
                before = count_open(), count_tasks()
        finisher.server.settle()
        wait_until(lambda: (count_open(), count_tasks()) <= before, "something leaked")

    cassettes = read_library(tmp_path)
    assert len(cassettes) == trials.ran
    trials.lost += sum(cassette.body != BODY for cassette in cassettes)
    assert trials.lost == 0
    assert {tape.ending.reason for tape in cassettes} == {"complete"}


@pytest.mark.case(56)
def test_a_recording_that_finishes_alone_ends_as_the_upstream_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Finisher(tmp_path, caplog) as finisher, finisher.leave() as served:
        served.sendall(b"zz\r\n")
        wait_until(lambda: ENDED in caplog.text, "it does not end")

    (cassette,) = read_library(tmp_path)
    assert (cassette.body, cassette.ending.reason) == (FIRST, "upstream_cut")


@pytest.mark.case(56)
def test_a_recording_that_finishes_alone_is_bounded_in_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event = b"data: " + b"x" * 1000 + b"\n\n"
    finisher = Finisher(tmp_path, caplog, limit_bytes=10 * len(event))
    with finisher, finisher.leave() as served:
        served.sendall(chunk(event) * 12)
        assert is_closed(served)

    (cassette,) = read_library(tmp_path)
    assert cassette.ending.reason == "client_gone"
    assert cassette.ending.detail == (
        f"the client left, and {10 * len(event)} bytes were not enough"
    )


@pytest.mark.case(56)
def test_a_recording_that_finishes_alone_is_bounded_in_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finisher = Finisher(tmp_path, caplog, limit_ns=50 * MS)
    with finisher, finisher.leave() as served:
        assert is_closed(served)

    (cassette,) = read_library(tmp_path)
    assert (cassette.body, cassette.ending.reason) == (FIRST, "client_gone")
    assert cassette.ending.detail == "the client left, and 0.05 s were not enough"


@pytest.mark.case(56)
def test_a_server_that_stops_waits_for_no_recording_that_finishes_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Finisher(tmp_path, caplog) as finisher, finisher.leave() as served:
        finisher.server.stop()
        assert is_closed(served)

    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"
    tape = streamtape.open(part)
    assert (tape.body, tape.ending.reason) == (FIRST, "shutdown")


def test_what_is_not_recorded_is_not_finished(tmp_path: Path) -> None:
    """Nobody would ever have anything of it."""
    reply = raw_reply(FIRST, ending=ReplyEnding.STALL)
    policy = Policy(mode=RecordMode.PASSTHROUGH, on_disconnect=OnDisconnect.FINISH)
    with FakeUpstream([reply]) as upstream:
        config = Config(cassettes=tmp_path, policy=policy, upstream=upstream.url)
        with RunningServer(config) as server:
            ask_and_leave(server.base_url, "/v1/x", by_reset=False)
            assert upstream.wait_for_departure(BOUND_S)


ASK_AND_LEAVE: Final = """
import os, urllib.request
answer = urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/v1/x")
answer.read(10)
os._exit(7)
"""


@pytest.mark.case(56)
@pytest.mark.parametrize("choice", ["stop", "finish"])
def test_a_command_that_leaves_an_answer_has_it_finished_if_asked(
    choice: str, tmp_path: Path
) -> None:
    """The rest comes long after the command has ended."""
    reply = raw_reply([Write(0, FIRST), Write(1_500 * MS, REST)])
    command = (sys.executable, "-c", ASK_AND_LEAVE)
    options = ("--cassettes", tmp_path, "--on-disconnect", choice)
    with FakeUpstream([reply]) as upstream:
        arguments = ("--port", "0", "--upstream", upstream.url, *options)
        end = run("record", *arguments, "--", *command)

    [cassette] = read_library(tmp_path)
    assert end.status == 7
    assert (cassette.body == BODY) is (choice == "finish")
    assert cassette.ending.is_complete is (choice == "finish")


_MESSAGE: Final = message_stream(text("Hi"))
_ERROR: Final = error_event().raw
_CHAT: Final = [b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n']


@pytest.mark.case(56)
@pytest.mark.parametrize(
    "events",
    [
        pytest.param(_MESSAGE, id="message_stop"),
        pytest.param([*_MESSAGE[:3], _ERROR], id="error"),
        pytest.param([*_CHAT, b"data: [DONE]\n\n"], id="done"),
    ],
)
def test_who_leaves_at_the_last_word_has_had_all(
    events: list[bytes], tmp_path: Path
) -> None:
    """SDKs hang up there, and the end of the body may come later or never."""
    body = b"".join(events)
    reply = raw_reply(body, ending=ReplyEnding.STALL)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        with connect(recording.base_url) as client:
            client.sendall(raw_request(recording.base_url, "GET /v1/x HTTP/1.1"))
            received = b""
            while events[-1] not in received:
                received += client.recv(1 << 16)
        assert upstream.wait_for_departure(BOUND_S)
        recording.settle()

    [cassette] = read_library(tmp_path)
    assert (cassette.body, cassette.ending.reason) == (body, "complete")
    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, method="GET", target="/v1/x")
    assert (answer.body, answer.ending) == (body, Ending.WHOLE)
