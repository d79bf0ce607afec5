"""The order of a server's start."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import socket
import sys
from pathlib import Path

import pytest

from e2e.processes import Program
from streamtape.errors import UsageError
from streamtape.server.config import Config
from streamtape.server.http.listen import bind
from streamtape.server.server import RunningServer


def find_port() -> int:
    """Return a port that is free, and that no system gives to who asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(UsageError):
            for each in bind(port):
                each.close()
            return port


def connect(port: int) -> int:
    """Try to connect; returns the system's error, 0 for none."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port))


def test_nobody_can_connect_before_all_else_of_the_start_is_done(
    tmp_path: Path,
) -> None:
    """The library is read by then, and what the caller has to do is done."""
    port = find_port()
    found: list[tuple[int, bool]] = []

    def look() -> None:
        found.append((connect(port), server.scopes.get("").is_open))

    server = RunningServer(Config(cassettes=tmp_path, port=port), before_listening=look)
    with server:
        late = connect(port)

    assert (found, late) == ([(errno.ECONNREFUSED, True)], 0)


def test_a_port_that_is_taken_is_told_before_the_rest_of_the_start(
    tmp_path: Path,
) -> None:
    """Nobody waits for a large library to hear it."""
    done: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        server = RunningServer(
            Config(cassettes=tmp_path, port=port),
            before_listening=lambda: done.append("it came this far"),
        )
        with pytest.raises(UsageError, match=f"port {port} is taken"):
            server.__enter__()

    assert done == []


WATCHED = """
import gc, json, socket, sys
port, found = int(sys.argv.pop(1)), []

def look(phase, info):
    if phase == "start" and info["generation"] == 2:
        with socket.socket() as client:
            found.append(client.connect_ex(("127.0.0.1", port)))

gc.callbacks.append(look)
from streamtape.cli import main
try:
    main()
finally:
    print(json.dumps(found))
"""
"""The program, which says of each whole garbage collection who could connect in it."""


def test_the_program_collects_its_garbage_before_anybody_can_connect(
    tmp_path: Path,
) -> None:
    """A collection stops every stream; later ones find next to nothing to look at."""
    port = find_port()
    program = (sys.executable, "-c", WATCHED, str(port))
    arguments = ("replay", "--cassettes", tmp_path, "--port", str(port))
    command = ("--", sys.executable, "-c", "pass")
    with Program(*arguments, *command, program=program) as replay:
        finished = replay.finish()

    found = json.loads(finished.stdout)
    assert finished.status == 0
    assert set(found) == {errno.ECONNREFUSED}
