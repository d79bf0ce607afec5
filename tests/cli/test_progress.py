from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import pytest

TRACKED: Final = """
from pathlib import Path
from streamtape.cli._progress import tracked
for _ in tracked([Path("one.tape"), Path("two\\x1b.tape")], "Checking"):
    input()
"""

WAITING: Final = """
from streamtape.cli._progress import waiting
with waiting("Reading the library", patience_s=0):
    input()
"""

QUICK: Final = """
from streamtape.cli._progress import waiting
with waiting("Reading the library"):
    pass
"""


class Shown:
    """
    A program with a terminal for its stderr, which goes on at each line it is given.
    """

    def __init__(self, program: str) -> None:
        self._ours, theirs = os.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        )
        os.close(theirs)
        self._seen = b""

    def wait_for(self, text: bytes) -> None:
        """Read until something was shown; an end comes first where it never is."""
        while text not in self._seen:
            self._seen += os.read(self._ours, 1 << 16)

    def go_on(self) -> None:
        """Let it leave what it waits in."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def finish(self) -> bytes:
        """Return all that it has shown, when it has ended well."""
        self._process.communicate()
        try:
            while more := os.read(self._ours, 1 << 16):
                self._seen += more
        except OSError:
            # This is how a terminal ends.
            pass
        os.close(self._ours)
        assert self._process.returncode == 0
        return self._seen


def test_the_file_at_work_is_shown_and_taken_back() -> None:
    program = Shown(TRACKED)
    program.wait_for(b"Checking one.tape 0 of 2")
    program.go_on()
    program.wait_for(rb"Checking two\x1b.tape")
    program.go_on()

    seen = program.finish()

    assert seen.endswith(b"\x1b[2K")


def test_who_waits_long_is_told_for_what_until_it_is_over() -> None:
    program = Shown(WAITING)
    program.wait_for(b"Reading the library")
    program.go_on()

    seen = program.finish()

    assert seen.endswith(b"\x1b[2K")


def test_what_is_quick_is_not_told() -> None:
    assert Shown(QUICK).finish() == b""


@pytest.mark.parametrize("program", [TRACKED, WAITING], ids=["tracked", "waiting"])
def test_a_log_gets_nothing_of_it(program: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=b"\n\n",
        capture_output=True,
        check=True,
    )

    assert ran.stderr == b""
