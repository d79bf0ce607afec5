"""
The program as processes: started, watched by what they say, and stopped.

Nothing here waits for a time to pass, only for facts: a line, an event, an exit.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Final, Self

from e2e.forks import Fork, can_fork

COMMAND: Final = (sys.executable, "-m", "streamtape")

PATIENCE_S: Final = 60.0
"""Longer than anything here takes: a test that hangs fails instead."""

_FOREIGN = re.compile(r"(STREAMTAPE|ANTHROPIC)_.*|(ALL|HTTPS?|NO)_PROXY", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a process left behind."""

    status: int
    """As :mod:`subprocess` has it: negative for the signal that killed it."""
    stdout: str
    stderr: str


class Program:
    """
    A process of the program, in a group of its own as a terminal would start it.

    A context manager; what still runs when it is left is killed, children too.

    Args:
        arguments: What follows ``streamtape``.
        program: The command line before that; None for the usual, which is forked from
            one that has been imported already.
        env: Variables besides those of :func:`plain_environment`.
        stdin: A file to read from; None for nothing.
    """

    def __init__(
        self,
        *arguments: str | Path,
        program: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        stdin: Path | None = None,
    ) -> None:
        words = [*map(str, arguments)]
        variables = plain_environment(env)
        self._process: Fork | subprocess.Popen[bytes]
        with ExitStack() as stack:
            file = stack.enter_context((stdin or Path(os.devnull)).open("rb"))
            stack.enter_context(usual_signals())
            stdout, out = os.pipe()
            stack.callback(os.close, out)
            stderr, err = os.pipe()
            stack.callback(os.close, err)
            if program is None and can_fork(variables):
                self._process = Fork(words, [file.fileno(), out, err], variables)
            else:
                self._process = subprocess.Popen(
                    [*(program or COMMAND), *words],
                    stdin=file,
                    stdout=out,
                    stderr=err,
                    env=variables,
                    start_new_session=True,
                )
        self._stdout = _Reader(os.fdopen(stdout, "rb"))
        self._stderr = _Reader(os.fdopen(stderr, "rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.send_to_group(signal.SIGKILL)
        self.finish()

    @property
    def pid(self) -> int:
        """Its number, to look at what it uses."""
        return self._process.pid

    @property
    def base_url(self) -> str:
        """The address that it tells; waits until it does."""
        line = self.wait_for(r"^http://127\.0\.0\.1:\d+")
        return line.partition(" ")[0]

    def wait_for(self, pattern: str) -> str:
        """Return the first line on stderr in which a pattern is found."""
        return self._stderr.wait_for(pattern)

    def wait_for_output(self, pattern: str) -> str:
        """Return the first line on stdout in which a pattern is found."""
        return self._stdout.wait_for(pattern)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self._process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to it and its children: what a terminal does for Ctrl-C."""
        os.killpg(self._process.pid, number)

    def finish(self, *, within_s: float = PATIENCE_S) -> Finished:
        """Wait for its end, which must not be one for developers to read."""
        status = self._process.wait(within_s)
        stdout, stderr = self._stdout.rest(), self._stderr.rest()
        assert "Traceback" not in stderr
        return Finished(status=status, stdout=stdout, stderr=stderr)

    def stop(self, number: signal.Signals = signal.SIGINT) -> Finished:
        """Ask it to end, and wait for that."""
        self.send(number)
        return self.finish()


@contextmanager
def usual_signals() -> Iterator[None]:
    """
    Let what is started in here mind SIGHUP and SIGINT, even if this process doesn't.

    A process inherits what is ignored: SIGHUP of nohup, SIGINT of a shell's background.
    """
    changed = {}
    # No other thread can change it; what that one starts is not sent these signals.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is signal.SIG_IGN:
                changed[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, action in changed.items():
            signal.signal(number, action)


class _Reader:
    """Reads the lines of a stream as they come, in a thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._queue: Queue[str | None] = Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, pattern: str) -> str:
        index = 0
        while True:
            while index < len(self._lines):
                if re.search(pattern, self._lines[index]):
                    return self._lines[index]
                index += 1
            if not self._next_line():
                raise AssertionError(f"{pattern!r} is not in {''.join(self._lines)!r}")

    def rest(self) -> str:
        while self._next_line():
            pass
        self._thread.join(PATIENCE_S)
        self._stream.close()
        return "".join(self._lines)

    def _next_line(self) -> bool:
        try:
            line = self._queue.get(timeout=PATIENCE_S)
        except Empty:
            return False
        if line is None:
            self._queue.put(None)
            return False
        self._lines.append(line)
        return True

    def _read(self) -> None:
        for line in self._stream:
            self._queue.put(line.decode(errors="surrogateescape"))
        self._queue.put(None)


def start_recorder(upstream: str, folder: Path) -> Program:
    """Start a recorder on a free port."""
    where = ("--upstream", upstream, "--cassettes", folder)
    return Program("record", *where, "--port", "0")


def start_replay(folder: Path) -> Program:
    """Start a replay on a free port."""
    return Program("replay", "--cassettes", folder, "--port", "0")


def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run the program to its end."""
    with Program(*arguments, env=env) as program:
        return program.finish()


def plain_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment less what the program or a client reads."""
    kept = {name: os.environ[name] for name in os.environ if not _FOREIGN.match(name)}
    return {**kept, **(extra or {})}


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """
    Look again and again until something is so.

    Raises:
        TimeoutError: It is not so for long.
    """
    pause = threading.Event()
    for _ in range(int(PATIENCE_S * 200)):
        if is_so():
            return
        pause.wait(0.005)
    raise TimeoutError(what)
