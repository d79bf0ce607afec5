"""
Ctrl-C and a request to end: what runs breaks off visibly, what came is kept.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.listening import Listening, keep_slow_answer, stalling_reply
from e2e.processes import (
    COMMAND,
    PATIENCE_S,
    Program,
    plain_environment,
    start_recorder,
    start_replay,
    wait_until,
)
from streamtape import open as read_cassette
from streamtape.core.model import EndReason
from streamtape.testing import FakeUpstream

STRIKE = """
import signal, sys, threading
from pathlib import Path
from streamtape.cli import main

def strike():
    Path(sys.argv[1]).read_bytes()
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=strike).start()
main(sys.argv[2:])
"""
"""The program, with a thread that gets a signal once somebody opens a fifo."""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_in_mid_stream_breaks_the_stream_and_keeps_what_came(
    number: signal.Signals, tmp_path: Path
) -> None:
    with (
        FakeUpstream([stalling_reply(events=8)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
        Listening(recorder.base_url, "hello") as client,
    ):
        seen = client.take(8)
        recorder.send(number)
        rest, is_whole = client.rest()
        end = recorder.finish()

    assert (rest, is_whole) == ([], False)
    assert end.status == 0
    [path] = tmp_path.iterdir()
    part = read_cassette(path)
    assert path.suffix == ".part"
    assert [event.raw for event in part.events] == seen
    assert part.ending.reason is EndReason.SHUTDOWN


def test_a_signal_ends_a_replay_that_waits(tmp_path: Path) -> None:
    keep_slow_answer(tmp_path)
    with (
        start_replay(tmp_path) as replay,
        Listening(replay.base_url, "hello") as client,
    ):
        client.take(1)
        replay.send(signal.SIGINT)
        _, is_whole = client.rest()
        end = replay.finish()

    assert not is_whole
    assert end.status == 0


def test_a_signal_that_another_thread_gets_ends_it_too(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = (sys.executable, "-c", STRIKE, str(fifo))
    with Program(
        "replay", "--cassettes", tmp_path, "--port", "0", program=program
    ) as replay:
        replay.wait_for("Ctrl-C")
        fifo.write_bytes(b"")
        end = replay.finish()

    assert end.status == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """The end is held up here by whoever should read stderr and doesn't."""
    read_end, write_end = os.pipe()
    command = [*COMMAND, "replay", "--cassettes", str(tmp_path), "--port", "0"]
    with (
        subprocess.Popen(command, stderr=write_end, env=plain_environment()) as replay,
        os.fdopen(read_end, encoding="utf-8") as stderr,
    ):
        address = stderr.readline().split()[0].removeprefix("http://")
        assert "Ctrl-C" in stderr.readline()
        fill(write_end)
        replay.send_signal(signal.SIGINT)
        wait_until(lambda: is_refused(address), "it takes no connections")
        replay.send_signal(signal.SIGINT)
        status = replay.wait(PATIENCE_S)

    assert status == -signal.SIGINT


def fill(descriptor: int) -> None:
    """
    Write to a pipe until it takes no more, and close it.
    """
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"\n" * 512)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
        os.close(descriptor)


def is_refused(address: str) -> bool:
    """
    Whether nobody listens there.
    """
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    return False
