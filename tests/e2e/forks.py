"""
Processes of the program that begin where it has been imported already.

Importing is most of what a short run of the program costs, and the tests run it
hundreds of times. So one process, for as long as this one lives, imports it and forks
whenever a process is asked for. What is forked is a process of its own in all else: it
has its own session, streams, variables, folder and end.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import runpy
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from streamtape import cli

_READ_ONCE: Final = ("PYTHON", "LC_", "LANG", "TZ", "SSL_")
"""Beginnings of the names of variables that are read at the start or by an import."""


class Fork:
    """
    A process of the program; of :class:`subprocess.Popen`, it has what is used here.

    Args:
        arguments: What follows ``streamtape``.
        streams: The descriptors of its stdin, stdout and stderr.
        env: All its variables.
    """

    def __init__(
        self, arguments: Sequence[str], streams: Sequence[int], env: Mapping[str, str]
    ) -> None:
        asked, asking = os.pipe()
        self._status, told = os.pipe()
        request = {"arguments": arguments, "env": dict(env), "cwd": str(Path.cwd())}
        try:
            socket.send_fds(_forking(), [b"\n"], [asked, told, *streams])
        finally:
            os.close(asked)
            os.close(told)
        with os.fdopen(asking, "w", encoding="utf-8") as file:
            json.dump(request, file)
        self.pid = self._read_number()
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has been seen to be over."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """
        Wait for its end, and return its status.

        Raises:
            subprocess.TimeoutExpired: It goes on.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("streamtape", timeout)
            self.returncode = self._read_number()
            os.close(self._status)
        return self.returncode

    def _read_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._status, 1)
            assert byte, "the process that forks has ended"
            line += byte
        return int(line)


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a process with these variables is the same if it is forked."""
    same = {name: os.environ.get(name) == value for name, value in env.items()}
    changed = [name for name, is_same in same.items() if not is_same]
    return not any(name.startswith(_READ_ONCE) for name in changed)


@functools.cache
def _forking() -> socket.socket:
    """Start the process that forks, and return what it listens to."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # The streams of what is forked are of the kind that these are.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.communicate()

    atexit.register(end)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork whenever it is asked for, until nobody can ask any more."""
    for module in iter_modules(cli.__path__, "streamtape.cli."):
        import_module(module.name)
    gc.collect()
    gc.freeze()
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 5)
        _wait_for_children(os.WNOHANG if descriptors else 0)
        if not descriptors:
            return
        if os.fork() == 0:
            control.close()
            _run(*descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _wait_for_children(flags: int) -> None:
    """Let those that are over count in what the tests cost, and leave no zombies."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, flags)[0]:
            pass


def _run(asked: int, told: int, *streams: int) -> None:
    """Be the program, in a process whose number and end another one tells."""
    with os.fdopen(asked, encoding="utf-8") as file:
        request = json.load(file)
    if pid := os.fork():
        for stream in streams:
            os.close(stream)
        os.write(told, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(told)
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["arguments"]
    runpy.run_module("streamtape", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
