"""The systems under test, each a process that prints its URL when it is ready."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_URL = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system: where it listens, and whose CPU time counts."""

    name: str
    port: int
    pid: int | None
    """None for the bench itself."""


@contextmanager
def running(name: str, arguments: Sequence[str], *, folder: Path) -> Iterator[System]:
    """
    Run ``python -m ARGUMENTS`` until the block ends, then stop it in good order.

    Its output goes to a file, as a pipe that nobody reads would stop it.

    Args:
        folder: Where that file is kept.

    Raises:
        RuntimeError: It printed no URL, or its end was not an orderly one.
    """
    with starting(name, arguments, folder=folder) as process:
        port = _wait_for_port(process, _log_of(name, folder))
        yield System(name=name, port=port, pid=process.pid)


@contextmanager
def starting(
    name: str, arguments: Sequence[str], *, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Do what :func:`running` does, but wait for nothing.

    Raises:
        RuntimeError: It died, or its end was not an orderly one.
    """
    log = _log_of(name, folder)
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"{name} died:\n{log.read_text()}")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"{name} did not stop:\n{log.read_text()}") from None


def find_port() -> int:
    """
    Return a port that is free now, for a system that has to be met before it says one.

    It is none of those that a system gives to who asks for any.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def _log_of(name: str, folder: Path) -> Path:
    return folder / f"{name}.log"


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    give_up = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < give_up and process.poll() is None:
        # The last URL counts: a line about the upstream may come first, and the
        # line itself may still be in the making.
        lines = log.read_text(errors="replace").splitlines(keepends=True)
        own = [line for line in lines if line.endswith("\n") and "upstream" not in line]
        if found := _URL.findall("".join(own)):
            return int(found[0])
        time.sleep(0.01)
    raise RuntimeError(f"no URL of its own printed:\n{log.read_text()}")
