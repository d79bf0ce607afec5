"""Many clients at once, and those that never finish: the others don't notice."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from e2e.listening import Listening, body, stalling_reply
from e2e.processes import COMMAND, PATIENCE_S, Program, plain_environment
from e2e.wire import Answer, Ending, ask, connect, raw_request
from proofs import Trials
from streamtape.core.modes import RecordMode
from streamtape.server.config import Config
from streamtape.server.http.limits import MOST_REQUESTS, most_requests_within
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import INSTANT, FakeUpstream, stream_reply, text

_MS: Final = 1_000_000
REPLY: Final = stream_reply(text("Hello."), profile=INSTANT)


def limited(descriptors: int) -> tuple[str, ...]:
    """The program, which can't open more files and connections than that."""
    return ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *COMMAND)


HOG: Final = """
import contextlib, os, resource, sys

import streamtape

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
with streamtape.replay(sys.argv[1]) as server:
    hogged = []
    with contextlib.suppress(OSError):
        while True:
            hogged.append(os.open(os.devnull, os.O_RDONLY))
    os.close(hogged.pop())
    print(server.base_url, flush=True)
    sys.stdin.read()
"""
"""A program of its own that has one descriptor left for the server in it."""


@contextmanager
def recording(upstream: FakeUpstream, folder: Path, **limits: int) -> Iterator[str]:
    """Record in this process with other limits than usual; gives the base URL."""
    config = Config(
        cassettes=folder,
        policy=Policy(mode=RecordMode.ALL),
        upstream=upstream.url,
        **limits,  # type: ignore[arg-type]  # All that is given is of this type.
    )
    with RunningServer(config) as server:
        yield server.base_url


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Room for thousands of connections in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_closed(connection: socket.socket) -> bool:
    """Wait until a connection ends without an answer."""
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1 << 16) == b""
    return True


def ask_on(connection: socket.socket, base_url: str) -> bool:
    """
    Ask for our own health on a connection that stays open; returns whether it is well.
    """
    line = "GET /_streamtape/health HTTP/1.1"
    sent = raw_request(base_url, line).replace(b"Connection: close\r\n", b"")
    try:
        connection.sendall(sent)
        return connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
    except (BrokenPipeError, ConnectionResetError):
        return False


def error_of(answer: Answer) -> str:
    kind = json.loads(answer.body)["error"]["type"]
    assert isinstance(kind, str)
    return kind


@pytest.mark.case(58)
def test_requests_that_never_end_keep_nobody_waiting_and_are_closed(
    tmp_path: Path, trials: Trials
) -> None:
    trials.ran = 300
    with (
        FakeUpstream([REPLY]) as upstream,
        recording(upstream, tmp_path, head_limit_ns=500 * _MS) as base_url,
        ExitStack() as stack,
    ):
        slow = [stack.enter_context(connect(base_url)) for _ in range(trials.ran)]
        for number, connection in enumerate(slow):
            # Some say nothing at all, and some have asked before.
            if number % 3:
                connection.sendall(b"POST /v1/messages HTTP/1.1\r\nx-a:")
        answer = ask(base_url, body=body("hello"))
        for connection in slow[1::3]:
            # Going on does not help.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(b"b")
        trials.wrong = sum(not is_closed(connection) for connection in slow)

    assert (answer.body, answer.ending) == (REPLY.body, Ending.WHOLE)
    assert trials.wrong == 0
    assert len(upstream.requests) == 1


@pytest.mark.case(58)
def test_a_second_request_that_never_ends_is_closed(tmp_path: Path) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        recording(upstream, tmp_path, head_limit_ns=200 * _MS) as base_url,
        connect(base_url) as connection,
    ):
        assert ask_on(connection, base_url)
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n")
        assert is_closed(connection)


def test_the_usual_limit_of_a_head_is_half_a_minute() -> None:
    assert Config().head_limit_ns == Config().body_stall_ns == 30 * 10**9


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        recording(upstream, tmp_path, body_stall_ns=100 * _MS) as base_url,
        connect(base_url) as connection,
    ):
        connection.sendall(
            raw_request(base_url, "POST /v1/messages HTTP/1.1", "Content-Length: 9")
            + b"{"
        )
        told = connection.recv(1 << 16)

    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nConnection: close\r\n" in told
    assert b'"timeout_error"' in told
    assert upstream.requests == []


def send_slowly(
    base_url: str, pieces: list[bytes], *, pause_s: float
) -> tuple[int, bytes]:
    """
    Send a body in pieces; returns how many went out until an answer began, and that.
    """
    size = sum(len(piece) for piece in pieces)
    with connect(base_url) as connection:
        head = raw_request(
            base_url, "POST /v1/messages HTTP/1.1", f"Content-Length: {size}"
        )
        connection.sendall(head)
        connection.settimeout(pause_s)
        for sent, piece in enumerate(pieces):
            with contextlib.suppress(TimeoutError):
                return sent, connection.recv(1 << 16)
            connection.sendall(piece)
        connection.settimeout(PATIENCE_S)
        return len(pieces), connection.recv(1 << 16)


@pytest.mark.case(58)
def test_a_body_that_drips_is_given_up(tmp_path: Path) -> None:
    with (
        FakeUpstream([REPLY]) as upstream,
        recording(upstream, tmp_path, body_stall_ns=400 * _MS) as base_url,
    ):
        sent, told = send_slowly(base_url, [b"x"] * 500, pause_s=0.01)

    assert sent < 500
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"more slowly than 16384 bytes per second" in told
    assert upstream.requests == []


def test_a_body_that_takes_long_and_keeps_coming_is_taken(tmp_path: Path) -> None:
    """Its bytes have earned it more time than the limit of its silence."""
    pieces = [b"x" * 16384] * 30
    with (
        FakeUpstream([REPLY]) as upstream,
        recording(upstream, tmp_path, body_stall_ns=100 * _MS) as base_url,
    ):
        sent, told = send_slowly(base_url, pieces, pause_s=0.01)

    assert sent == len(pieces)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert upstream.requests[0].body == b"".join(pieces)


@pytest.mark.case(60)
def test_two_thousand_idle_connections_keep_nobody_waiting(
    tmp_path: Path, trials: Trials, many_descriptors: None
) -> None:
    trials.ran = trials.many(quick=600, long=2000)
    with (
        Program(
            *("replay", "--cassettes", tmp_path, "--port", "0"), program=limited(1024)
        ) as replay,
        ExitStack() as stack,
    ):
        base_url = replay.base_url
        idle = []
        for _ in range(trials.ran):
            idle.append(stack.enter_context(connect(base_url)))
            trials.lost += not ask_on(idle[-1], base_url)
        answer = ask(base_url, method="GET", target="/_streamtape/health")
        # The longest idle had to go.
        assert is_closed(idle[0])
        assert ask_on(idle[-1], base_url)
        end = replay.stop()

    assert answer.status == 200
    assert trials.lost == 0
    assert end.status == 0
    assert len(end.stderr.splitlines()) < 5


@pytest.mark.case(60)
def test_a_request_too_many_is_refused_for_now(tmp_path: Path) -> None:
    streams = [stalling_reply(2), stalling_reply(2), REPLY]
    with (
        FakeUpstream(streams) as upstream,
        recording(upstream, tmp_path, most_requests=2) as base_url,
        ExitStack() as stack,
    ):
        idle = [stack.enter_context(connect(base_url)) for _ in range(8)]
        running = [
            stack.enter_context(Listening(base_url, f"stream {n}")) for n in range(2)
        ]
        assert all(len(stream.take(2)) == 2 for stream in running)
        refused = [ask(base_url, body=body("hello")) for _ in range(20)]
        running[0].__exit__(None, None, None)
        answer = Answer(status=0, headers=(), body=b"", ending=Ending.WHOLE)
        while answer.status in (0, 529):
            answer = ask(base_url, body=body("hello"))
        assert is_closed(idle[0])

    for each in refused:
        assert (each.status, each.ending) == (529, Ending.WHOLE)
        assert error_of(each) == "overloaded_error"
        assert each.header("connection") == "close"
        # Its SDK asks again, a little later.
        assert each.header("x-should-retry") is None
    assert (answer.status, answer.body) == (200, REPLY.body)
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    ("descriptors", "most"), [(64, 8), (256, 61), (1024, 317), (1 << 20, 1024), (3, 1)]
)
def test_as_many_requests_as_there_are_descriptors_for(
    descriptors: int, most: int
) -> None:
    assert most_requests_within(descriptors) == most
    assert most_requests_within(descriptors) <= MOST_REQUESTS


@pytest.mark.case(17)
def test_connections_that_stay_open_leave_room_for_others(
    tmp_path: Path, trials: Trials
) -> None:
    trials.ran = 150
    with (
        FakeUpstream(lambda _: REPLY) as upstream,
        Program(
            *("record", "--upstream", upstream.url, "--cassettes", tmp_path),
            *("--port", "0"),
            program=limited(64),
        ) as recorder,
        ExitStack() as stack,
    ):
        base_url = recorder.base_url
        for _ in range(trials.ran):
            stack.enter_context(connect(base_url))
        answers = [ask(base_url, body=body("hello")) for _ in range(3)]
        end = recorder.stop()

    assert [answer.body for answer in answers] == [REPLY.body] * 3
    assert end.status == 0
    assert len(list(tmp_path.glob("*.tape"))) == 3
    assert "Error" not in end.stderr
    assert len(end.stderr.splitlines()) < 10


@pytest.mark.case(17)
def test_a_process_without_descriptors_still_answers_one_after_the_other(
    tmp_path: Path, trials: Trials
) -> None:
    """The rest of the process has used them up: what is idle makes room."""
    with subprocess.Popen(
        [sys.executable, "-c", HOG, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=plain_environment(),
        text=True,
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        with ExitStack() as stack:
            for _ in range(20):
                connection = stack.enter_context(connect(base_url))
                trials.ran += 1
                trials.lost += not ask_on(connection, base_url)
        _, said = process.communicate(timeout=PATIENCE_S)

    assert trials.lost == 0
    assert process.returncode == 0
    assert said.splitlines() == [
        f"{os.strerror(24)}: new connections wait until others end; ulimit -n tells "
        "and raises the limit"
    ]
