"""``-- COMMAND``: a program that has the proxy for as long as it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.processes import COMMAND, PATIENCE_S, Program, run
from e2e.wire import ask
from streamtape.server.environment import DUMMY_KEY

PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"

UPSTREAM = ("--upstream", "http://127.0.0.1:9")


def environment_of_command(*arguments: str | Path, **env: str) -> dict[str, str]:
    """The environment of a command, and as BASE_URL what the program said."""
    command = (sys.executable, "-c", PRINT_ENVIRONMENT)
    with Program(*arguments, "--", *command, env=env) as program:
        base_url = program.base_url
        end = program.finish()
    assert end.status == 0
    seen: dict[str, str] = json.loads(end.stdout)
    return {**seen, "BASE_URL": base_url}


def test_a_command_is_led_to_the_replay_without_a_key(tmp_path: Path) -> None:
    env = environment_of_command(
        "replay",
        "--cassettes",
        tmp_path,
        ANTHROPIC_API_KEY="a-real-key",
        NO_PROXY="one.example, localhost",
        no_proxy="two.example",
    )

    assert env["ANTHROPIC_BASE_URL"] == env["BASE_URL"]
    assert env["ANTHROPIC_API_KEY"] == DUMMY_KEY
    assert env["NO_PROXY"] == "one.example,localhost,two.example,127.0.0.1"
    assert env["no_proxy"] == env["NO_PROXY"]


def test_a_command_keeps_its_key_while_it_is_recorded(tmp_path: Path) -> None:
    env = environment_of_command(
        "record", *UPSTREAM, "--cassettes", tmp_path, ANTHROPIC_API_KEY="a-real-key"
    )

    assert env["ANTHROPIC_BASE_URL"] == env["BASE_URL"]
    assert env["ANTHROPIC_API_KEY"] == "a-real-key"
    assert env["NO_PROXY"] == "127.0.0.1,localhost"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param(["true"], 0, id="success"),
        pytest.param(["sh", "-c", "exit 3"], 3, id="failure"),
        pytest.param(["sh", "-c", "kill -9 $$"], 128 + 9, id="killed"),
        pytest.param(["streamtape-has-no-such-command"], 127, id="not-found"),
        pytest.param(["/"], 126, id="not-executable"),
    ],
)
def test_the_status_of_the_command_is_passed_on(
    command: list[str], status: int, tmp_path: Path
) -> None:
    end = run("replay", "--cassettes", tmp_path, "--", *command)

    assert end.status == status
    assert end.stderr.endswith("Stopped.\n")


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    end = run("replay", "--cassettes", tmp_path, "--", "no-such-thing")

    assert "Error: no-such-thing: there is no such command\n" in end.stderr


def test_the_streams_of_the_command_are_its_own(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.write_bytes(b"\x00\xff\r\n\x1b[31m")
    with Program(
        "replay", "--cassettes", tmp_path, "--", "cat", stdin=asked
    ) as program:
        end = program.finish()

    assert end.stdout.encode(errors="surrogateescape") == asked.read_bytes()


def test_options_behind_the_dashes_belong_to_the_command(tmp_path: Path) -> None:
    theirs = ["--speed", "none", "-q", "--help", "--", "--port"]
    end = run(
        "replay", "--cassettes", tmp_path, "--", "sh", "-c", 'echo "$@"', "sh", *theirs
    )

    assert (end.status, end.stdout) == (0, " ".join(theirs) + "\n")


def test_ctrl_c_ends_a_command_that_dies_of_it(tmp_path: Path) -> None:
    script = "echo ready; exec sleep 600"
    with Program(
        "replay", "--cassettes", tmp_path, "--", "sh", "-c", script
    ) as program:
        program.wait_for_output("ready")
        program.send_to_group(signal.SIGINT)
        end = program.finish()

    assert end.status == 128 + signal.SIGINT
    assert end.stderr.endswith("Stopped.\n")


def test_a_command_that_lives_on_after_ctrl_c_keeps_its_proxy(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = (
        "trap 'echo still here' INT; trap 'exit 9' TERM; echo ready; "
        f"until read line < {fifo}; do :; done; exit 5"
    )
    with Program(
        "replay", "--cassettes", tmp_path, "--", "sh", "-c", script
    ) as program:
        program.wait_for_output("ready")
        program.send_to_group(signal.SIGINT)
        program.wait_for_output("still here")
        answer = ask(program.base_url, method="GET", target="/_streamtape/health")
        fifo.write_text("go\n")
        end = program.finish()

    assert answer.status == 200
    assert end.status == 5


def test_a_request_to_end_is_handed_to_the_command(tmp_path: Path) -> None:
    script = "sleep 600 & trap 'kill $!; echo tidied; exit 6' TERM; echo ready; wait"
    with Program(
        "replay", "--cassettes", tmp_path, "--", "sh", "-c", script
    ) as program:
        program.wait_for_output("ready")
        program.send(signal.SIGTERM)
        end = program.finish()

    assert (end.status, end.stdout) == (6, "ready\ntidied\n")


@pytest.mark.parametrize(("hard", "got"), [("", "4096"), ("; ulimit -Hn 300", "300")])
def test_as_many_files_may_be_open_as_the_system_allows(hard: str, got: str) -> None:
    print_limit = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    few = ("bash", "-c", f'ulimit -Sn 100{hard}; exec "$@"', "bash", *COMMAND)
    command = ("replay", "--", sys.executable, "-c", print_limit)

    with Program(*command, program=few) as replay:
        end = replay.finish()

    assert end.stdout.strip() == got


def test_log_lines_that_nobody_reads_hold_nobody_up() -> None:
    command = [*COMMAND, "replay", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as replay:
        assert replay.stderr is not None
        base_url, _, _ = replay.stderr.readline().partition(" ")
        # More than a pipe holds on any system, a line for each.
        target = "//" + "x" * 3000
        statuses = {
            ask(base_url, method="GET", target=target).status for _ in range(150)
        }
        replay.send_signal(signal.SIGINT)
        _, said = replay.communicate(timeout=PATIENCE_S)

    assert statuses == {400}
    assert 10 <= said.count("refused:") < 150
