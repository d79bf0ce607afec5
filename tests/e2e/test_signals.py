"""Ctrl-C and a request to end: what runs breaks off visibly, what came is kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.listening import Listening, body, keep_slow_answer, stalling_reply
from e2e.processes import (
    COMMAND,
    PATIENCE_S,
    Program,
    plain_environment,
    start_recorder,
    start_replay,
    usual_signals,
    wait_until,
)
from e2e.wire import ask, authority, connect
from streamtape import open as read_cassette
from streamtape.core.model import EndReason
from streamtape.library.reader import read_end
from streamtape.testing import FakeUpstream, Reply, raw_reply
from taping import write_tape

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


STOP_S = 15.0
"""How long a stop may take at most."""

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def check_kept(folder: Path, seen: list[bytes]) -> None:
    """Check that a recording that was stopped has all that its client saw."""
    [path] = folder.iterdir()
    part = read_cassette(path)
    assert path.suffix == ".part"
    assert [event.raw for event in part.events] == seen
    assert part.ending.reason is EndReason.SHUTDOWN


@pytest.mark.case(2, 3)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
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
        end = recorder.finish(within_s=STOP_S)

    assert (rest, is_whole) == ([], False)
    assert end.status == 0
    check_kept(tmp_path, seen)


@pytest.mark.case(2)
def test_a_recording_that_was_taken_away_is_not_said_to_be_kept(tmp_path: Path) -> None:
    with (
        FakeUpstream([stalling_reply(events=8)]) as upstream,
        start_recorder(upstream.url, tmp_path / "cassettes") as recorder,
        Listening(recorder.base_url, "hello") as client,
    ):
        client.take(8)
        # It is recorded after the client has it, which may be faster than that.
        wait_until(lambda: any(tmp_path.glob("cassettes/*.part")), "it is recorded")
        shutil.rmtree(tmp_path / "cassettes")
        recorder.send(signal.SIGTERM)
        end = recorder.finish(within_s=STOP_S)

    assert end.status == 3
    assert ".part was taken away; what came is lost" in end.stderr
    assert "Stopped: 1 lost." in end.stderr


@pytest.mark.case(2, 3)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_to_all_ends_a_command_and_keeps_what_came(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = ("sh", "-c", "echo ready; exec sleep 600")
    with (
        FakeUpstream([stalling_reply(events=8)]) as upstream,
        Program(
            *("record", "--upstream", upstream.url, "--cassettes", tmp_path),
            *("--port", "0", "--", *command),
        ) as recorder,
        Listening(recorder.base_url, "hello") as client,
    ):
        recorder.wait_for_output("ready")
        seen = client.take(8)
        recorder.send_to_group(number)
        rest, is_whole = client.rest()
        end = recorder.finish(within_s=STOP_S)

    assert (rest, is_whole) == ([], False)
    assert end.status == 128 + number
    check_kept(tmp_path, seen)


@pytest.mark.case(2)
@pytest.mark.slow
def test_a_command_that_does_not_end_when_it_is_asked_to_is_killed(
    tmp_path: Path,
) -> None:
    command = ("sh", "-c", "trap '' TERM; echo ready; while :; do read line; done")
    with (
        FakeUpstream([stalling_reply(events=8)]) as upstream,
        Program(
            *("record", "--upstream", upstream.url, "--cassettes", tmp_path),
            *("--port", "0", "--", *command),
        ) as recorder,
        Listening(recorder.base_url, "hello") as client,
    ):
        recorder.wait_for_output("ready")
        seen = client.take(8)
        recorder.send(signal.SIGTERM)
        end = recorder.finish(within_s=STOP_S)

    assert end.status == 128 + signal.SIGKILL
    check_kept(tmp_path, seen)


@pytest.mark.case(3)
def test_a_second_ctrl_c_ends_a_command_that_does_not_mind_the_first(
    tmp_path: Path,
) -> None:
    command = ("sh", "-c", "trap '' INT; echo ready; exec sleep 100")
    arguments = ("record", "--upstream", "http://127.0.0.1:9", "--port", "0")
    with Program(*arguments, "--cassettes", tmp_path, "--", *command) as recorder:
        recorder.wait_for_output("ready")
        recorder.send(signal.SIGINT)
        recorder.wait_for("^Waiting for the command")
        recorder.send(signal.SIGINT)
        end = recorder.finish(within_s=STOP_S)

    assert end.status == 128 + signal.SIGTERM


@pytest.mark.case(2)
def test_a_stop_waits_for_no_client_and_no_upstream(tmp_path: Path) -> None:
    """
    One has sent half a head, one half a body, one doesn't read, one has asked
    nothing, and one waits for an answer that doesn't begin.
    """
    asked = body("hello")
    head = f"POST /v1/messages HTTP/1.1\r\nContent-Length: {len(asked)}\r\nHost: "
    large = raw_reply(b"data: " + b"x" * (1 << 23) + b"\n\n")
    never = Reply(head_offset_ns=3600 * 10**9)
    with (
        FakeUpstream([large, never]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
        contextlib.ExitStack() as stack,
    ):
        whole = f"{head}{authority(recorder.base_url)}\r\n\r\n".encode() + asked
        sent = [whole, whole, whole[:20], whole[:-5], b""]
        for data in sent:
            connection = stack.enter_context(connect(recorder.base_url))
            connection.sendall(data)
        wait_until(lambda: len(upstream.requests) == 2, "two have asked upstream")
        recorder.send(signal.SIGTERM)
        end = recorder.finish(within_s=STOP_S)

    assert end.status == 0


@pytest.fixture(scope="module", params=[("recover", 40_000), ("redact", 4_000)])
def large(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A command, and a file that is large enough for it to be at work with."""
    command, count = request.param
    folder = tmp_path_factory.mktemp(command)
    return command, write_tape(folder, [(9, b"data: my-word-of-2026\n\n")] * count)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_to_a_command_that_writes_leaves_nothing_half_written(
    large: tuple[str, Path], number: signal.Signals, tmp_path: Path
) -> None:
    command, made = large
    path = Path(shutil.copy(made, tmp_path))
    before = path.read_bytes()
    env = {"OLD_KEY": "my-word-of-2026"}
    options = ("--secret-from", "OLD_KEY") if command == "redact" else ()
    with Program(command, *options, path, env=env) as program:
        wait_until(lambda: any(tmp_path.glob(".streamtape-*.new")), "it writes")
        program.send(number)
        end = program.finish(within_s=STOP_S)

    assert end.status == 128 + number
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == before


def test_a_program_that_is_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    with Program(
        *("replay", "--cassettes", tmp_path, "--port", "0"),
        program=("nohup", *COMMAND),
    ) as replay:
        base_url = replay.base_url
        replay.send(signal.SIGHUP)
        answer = ask(base_url, method="GET", target="/_streamtape/health")
        end = replay.stop()

    assert (answer.status, end.status) == (200, 0)


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


@pytest.mark.case(3)
def test_a_second_signal_ends_it_at_once_and_loses_nothing(tmp_path: Path) -> None:
    """The end is held up here by whoever should read stderr and doesn't."""
    read_end, write_end = os.pipe()
    with (
        FakeUpstream([stalling_reply(events=8)]) as upstream,
        usual_signals(),
        subprocess.Popen(
            [
                *(*COMMAND, "record", "--upstream", upstream.url),
                *("--cassettes", str(tmp_path), "--port", "0"),
            ],
            stderr=write_end,
            env=plain_environment(),
        ) as recorder,
        os.fdopen(read_end, encoding="utf-8") as stderr,
    ):
        base_url = stderr.readline().split()[0]
        assert "Ctrl-C" in stderr.readline()
        with Listening(base_url, "hello") as client:
            seen = client.take(8)
            fill(write_end)
            recorder.send_signal(signal.SIGINT)
            wait_until(lambda: is_ended(tmp_path), "the recording has its end")
            recorder.send_signal(signal.SIGINT)
            status = recorder.wait(PATIENCE_S)
            assert client.rest() == ([], False)

    assert status == -signal.SIGINT
    check_kept(tmp_path, seen)


def test_ctrl_c_ends_the_demo_with_a_sentence() -> None:
    with Program("demo") as demo:
        demo.wait_for_output("Recording")
        demo.send(signal.SIGINT)
        end = demo.finish()

    assert (end.status, end.stderr) == (128 + signal.SIGINT, "Stopped.\n")


def fill(descriptor: int) -> None:
    """Write to a pipe until it takes no more, and close it."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"\n" * 512)
    except BlockingIOError:
        os.set_blocking(descriptor, True)
        os.close(descriptor)


def is_ended(folder: Path) -> bool:
    """Whether the only recording has its last record."""
    return any(read_end(path) is not None for path in folder.iterdir())
