"""What can't work says why, in one sentence and a status, and never in a traceback."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.here import run_here
from e2e.listening import body
from e2e.processes import Finished, run, start_recorder, start_replay
from e2e.wire import Answer, ask
from streamtape.testing import FakeUpstream

LOCAL = "http://127.0.0.1:9"
SECRET = "hunter2hunter2"


def check_refused(end: Finished, sentence: str, status: int = 2) -> None:
    """Check that a line begins so, and that none is for developers alone."""
    assert f"\n{sentence}" in f"\n{end.stderr}"
    assert end.status == status
    assert end.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["recrod"], "Error: No such command 'recrod'", id="command"),
        pytest.param(
            ["replay", "--speed", "0"],
            "Error: Invalid value for '--speed': expected a speed from 0.001",
            id="speed-0",
        ),
        pytest.param(
            ["replay", "--speed", "fast"],
            "Error: Invalid value for '--speed': expected a speed from 0.001",
            id="speed-fast",
        ),
        pytest.param(
            ["record", "--mode", "nonsense"],
            "Error: Invalid value for '--mode': 'nonsense' is not one of 'none', "
            "'once', 'new_episodes', 'all', 'passthrough'.",
            id="mode",
        ),
        pytest.param(
            ["record", "--upstream", "ftp://api.example"],
            "Error: upstream 'ftp://api.example': expected a base URL such as "
            "https://api.anthropic.com",
            id="scheme",
        ),
        pytest.param(
            ["record", "--upstream", "http://api.example"],
            "Error: upstream 'http://api.example': keys would go there unencrypted; "
            "use https",
            id="unencrypted",
        ),
        pytest.param(
            ["record", "--upstream", "http://127.0.0.1:8484/v1", "--port", "8484"],
            "Error: upstream 'http://127.0.0.1:8484/v1' is this proxy itself; name the "
            "API behind it",
            id="itself",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    arguments: Sequence[str], sentence: str, tmp_path: Path
) -> None:
    env = {"STREAMTAPE_CASSETTES": str(tmp_path / "none")}

    check_refused(run_here(*arguments, env=env), sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"https://me:{SECRET}@api.example", id="plain"),
        pytest.param(f"ftp://me:{SECRET}@api.example:port", id="wrong-otherwise-too"),
    ],
)
def test_a_password_in_the_upstream_is_refused_and_never_shown(
    url: str, tmp_path: Path
) -> None:
    end = run_here("record", "--upstream", url, "--cassettes", tmp_path / "none")

    assert end.status == 2
    assert "keys belong in the client" in end.stderr
    assert SECRET not in end.stderr


def test_a_base_url_in_the_environment_that_is_no_upstream_is_refused(
    tmp_path: Path,
) -> None:
    """The keys of a client that is meant for a gateway don't go to the API instead."""
    end = run_here(
        "record",
        *("--cassettes", tmp_path / "none"),
        env={"ANTHROPIC_BASE_URL": "http://gateway.example"},
    )

    check_refused(
        end,
        "Error: ANTHROPIC_BASE_URL: upstream 'http://gateway.example': keys would go "
        "there unencrypted; use https; --upstream goes before it",
    )


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        end = run("replay", "--cassettes", tmp_path, "--port", str(port))

    sentence = f"port {port} is taken; choose another with --port, or 0 for a free one"
    check_refused(end, f"Error: {sentence}")


def test_a_library_that_is_not_there_is_not_replayed(tmp_path: Path) -> None:
    folder = tmp_path / "my tapes"
    end = run("replay", "--cassettes", folder, "--port", "0")

    sentence = (
        f"{folder}: there is no such folder; record first, with "
        f"streamtape record --cassettes '{folder}'"
    )
    check_refused(end, f"Error: {sentence}")


@pytest.mark.parametrize("command", ["record", "replay"])
def test_a_library_that_is_a_file_is_refused(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    env = {"STREAMTAPE_UPSTREAM": LOCAL}
    end = run(command, "--cassettes", file, "--port", "0", env=env)

    sentence = f"{file}: expected a folder of cassettes, and this is a file"
    check_refused(end, f"Error: {sentence}")


def test_a_library_that_cant_be_made_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    folder = file / "below"
    end = run("record", "--upstream", LOCAL, "--cassettes", folder, "--port", "0")

    check_refused(end, f"Error: {folder}: can't be written to: Not a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_library_that_cant_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    end = run("record", "--upstream", LOCAL, "--cassettes", tmp_path, "--port", "0")

    check_refused(end, f"Error: {tmp_path}: can't be written to: Permission denied")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_library_that_cant_be_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o300)
    end = run("replay", "--cassettes", tmp_path, "--port", "0")

    check_refused(end, f"Error: {tmp_path}: can't be read: Permission denied")


def test_a_file_that_is_no_cassette_is_left_out_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "notes.tape"
    file.write_text("not a cassette at all")
    with start_replay(tmp_path) as replay:
        answer = ask(replay.base_url, body=body("hello"))
        end = replay.stop()

    assert f"Warning: left out: {file}: not a cassette: " in end.stderr
    assert answer.status == 424
    assert end.status == 0


def test_a_file_that_is_no_cassette_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "notes.tape"
    file.write_text("not a cassette at all")
    end = run_here("show", file)

    assert end.stderr.startswith(f"Error: {file}: not a cassette: ")
    assert end.stderr.count("\n") == 1
    assert end.status == 1


def ask_through_recorder(folder: Path, upstream: str) -> tuple[Answer, Finished]:
    """Send a request upstream, and return the answer and what the program said."""
    with start_recorder(upstream, folder) as recorder:
        answer = ask(recorder.base_url, body=body("hello"))
        return answer, recorder.stop()


@contextmanager
def speaks(greeting: bytes) -> Iterator[str]:
    """A server that says the same to everybody and hangs up; gives its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@contextmanager
def refuses() -> Iterator[str]:
    """A port that is nobody's, and stays so; gives its base URL."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_an_upstream_that_cant_be_reached_is_named_to_the_client(
    tmp_path: Path,
) -> None:
    with refuses() as upstream:
        answer, end = ask_through_recorder(tmp_path, upstream)

    check_bad_gateway(
        answer, end, f"{upstream} can't be used as upstream: no connection"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        pytest.param(b"SSH-2.0-server\r\n", "what it sent is no HTTP", id="junk"),
        pytest.param(b"", "it closed the connection without an answer", id="silence"),
    ],
)
def test_an_upstream_that_speaks_no_http_is_named_to_the_client(
    greeting: bytes, cause: str, tmp_path: Path
) -> None:
    with speaks(greeting) as upstream:
        answer, end = ask_through_recorder(tmp_path, upstream)

    check_bad_gateway(answer, end, f"{upstream} can't be used as upstream: {cause}")


def check_bad_gateway(answer: Answer, end: Finished, message: str) -> None:
    """Check that the client was told, and the terminal too."""
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["type"]) == (502, "api_error")
    assert error["message"].startswith(message)
    assert f"\nWarning: {message}" in end.stderr
    assert end.status == 4


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        pytest.param("/v1/v1/messages", "/v1 is there twice", id="twice"),
        pytest.param("/messages", "/v1 is missing", id="missing"),
    ],
)
def test_a_wrong_base_url_gets_a_hint(
    target: str, hint: str, upstream: FakeUpstream, tmp_path: Path
) -> None:
    with start_recorder(upstream.url, tmp_path) as recorder:
        answer = ask(recorder.base_url, target=target, body=body("hello"))
        end = recorder.stop()

    assert answer.status == 404
    assert hint in json.loads(answer.body)["error"]["message"]
    assert hint in end.stderr
    assert upstream.requests == []
