"""
What was recorded can't move or hide anything on a terminal: it is shown as escapes.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.processes import PATIENCE_S, plain_environment
from proofs import Trials
from streamtape.core.model import EndReason, Request
from streamtape.testing import api_event
from taping import ASKED, STREAM, write_tape

EVILS: Final = {
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8K\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "color": "\x1b[31m",
    "report": "\x1b[6n\x1b[c\x05",
    "device": "\x1bP+q544e\x1b\\",
    "c1": "\x9b2J\x9d0;owned\x9c\x85\x90\x80",
    "bell": "\x07\x08\x7f\x00",
    "return": "shown\rhidden",
    "bidi": "\u202eesrever\u202c\u2066x\u2069\u200f",
    "invisible": "\u200b\u2060\ufeff\U000e0041\xad",
    "lines": "\u2028\u2029\x0b\x0c",
    "markup": "[red]x[/red][link=http://evil.example]y[/link]",
}
EVIL: Final = "".join(EVILS.values())

END: Final = "\0\0end of a run\0\0"

SCRIPT: Final = f"""
import json, sys
from streamtape.cli import main
for command in json.loads(sys.argv[1]):
    status = 0
    try:
        main(command)
    except SystemExit as error:
        status = error.code or 0
    sys.stderr.flush()
    print(chr(0), status, {END!r}, sep="", flush=True)
"""

STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")
"""What our own styles are made of: they change colours and nothing else."""

PROGRESS: Final = re.compile(r"\r|\x1b\[(\?25[lh]|2K|1A)")
"""What a line is made of that tells of progress and goes away again."""


def _begin(index: int, block: dict[str, Any]) -> bytes:
    return api_event(
        {"type": "content_block_start", "index": index, "content_block": block}
    )


def _add(index: int, delta: dict[str, Any]) -> bytes:
    return api_event({"type": "content_block_delta", "index": index, "delta": delta})


def write_evil(folder: Path) -> Path:
    """Make a cassette that has such text in all places where a text can be."""
    said = json.dumps(EVIL)
    asked = {
        "model": EVIL,
        "system": EVIL,
        "messages": [
            {"role": EVIL, "content": EVIL},
            {"role": "user", "content": EVIL},
        ],
        "tools": [{"name": EVIL, "description": EVIL}],
        EVIL: EVIL,
    }
    # HTTP has no line ends there.
    plain = EVIL.replace("\r", "").replace("\0", "")
    request: Request = replace(
        ASKED,
        method=plain,
        target=f"/v1/{plain}?{plain}={plain}",
        headers=(*ASKED.headers, ("accept", plain), (plain, plain)),
        body=json.dumps(asked).encode(),
    )
    start = {
        "id": EVIL,
        "model": EVIL,
        "role": EVIL,
        "usage": {EVIL: 1, "input_tokens": 1},
        "stop_reason": EVIL,
    }
    tool = {"type": "tool_use", "id": EVIL, "name": EVIL, "input": {}}
    raws = [
        api_event({"type": "message_start", "message": start}),
        _begin(0, {"type": "text", "text": EVIL}),
        _add(0, {"type": "text_delta", "text": EVIL}),
        _begin(1, tool),
        _add(1, {"type": "input_json_delta", "partial_json": said}),
        api_event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": EVIL},
                "usage": {EVIL: 1, "output_tokens": 1},
            }
        ),
        api_event({"type": EVIL, "error": {"type": EVIL, "message": EVIL}}),
    ]
    raws += [
        f"event: {plain}\nid: {plain}\ndata: {said}\n\n".encode(),
        f": {plain}\n\n".encode(),
        f"data: {EVIL}\n\n".encode(),
        b"data: \x1b[2J\x9b2J\xff\n\n",
    ]
    return write_tape(
        folder,
        [(100 * number, raw) for number, raw in enumerate(raws, 1)],
        request=request,
        reason=plain,
        headers=(STREAM, ("request-id", plain), (plain, plain), ("retry-after", plain)),
        ending=EndReason.UPSTREAM_CUT,
        detail=EVIL,
    )


def run_in_terminal(*commands: Sequence[str | Path]) -> list[tuple[int, str]]:
    """
    Run the program, each time with other arguments, with a terminal on all sides.

    Returns:
        The status of each run, and all that it wrote.
    """
    ours, theirs = pty.openpty()
    asked = json.dumps([[str(word) for word in command] for command in commands])
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, asked],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=plain_environment({"TERM": "xterm-256color", "COLUMNS": "100"}),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        written = b""
        # So a terminal ends on Linux: nobody has it open any more.
        with contextlib.suppress(OSError):
            while data := os.read(ours, 1 << 16):
                written += data
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0, written
    runs = written.decode().split(END)[:-1]
    assert len(runs) == len(commands)
    return [
        (int(status), shown)
        for shown, _, status in (run.rpartition("\0") for run in runs)
    ]


def find_unsafe(written: str) -> set[str]:
    """Return what of an output does more than to be read."""
    plain = STYLE.sub("", written).replace("\r\n", "\n")
    if "\x1b[?25l" in plain:
        plain = PROGRESS.sub("", plain)
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {
        char for char in plain if char != "\n" and unicodedata.category(char) in unsafe
    }


COMMANDS: Final = (
    ("show",),
    ("show", "--full"),
    ("show", "--json"),
    ("ls",),
    ("ls", "--json"),
    ("explain",),
    ("explain", "--json"),
    ("check",),
    ("check", "--json"),
    ("redact", "--dry-run"),
)


@pytest.mark.case(78)
def test_recorded_text_is_shown_as_escapes(tmp_path: Path, trials: Trials) -> None:
    path = write_evil(tmp_path)

    runs = run_in_terminal(*((*command, path) for command in COMMANDS))

    trials.ran = len(EVILS) * len(runs)
    for command, (_, written) in zip(COMMANDS, runs, strict=True):
        trials.wrong += len(find_unsafe(written))
        assert find_unsafe(written) == set(), command
        assert "Traceback" not in written
        # It was shown, and not left out.
        is_shown = "x1b[2J" in written or "u001b[2J" in written
        assert is_shown or command[0] != "show"


@pytest.mark.case(78)
def test_a_request_that_misses_is_shown_as_escapes(tmp_path: Path) -> None:
    write_evil(tmp_path)
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": EVIL[::-1], EVIL: EVIL, "messages": [EVIL]}))

    [(status, written)] = run_in_terminal(("explain", "--cassettes", tmp_path, body))

    assert status == 1
    assert find_unsafe(written) == set()


@pytest.mark.case(78)
def test_names_of_files_are_shown_as_escapes(tmp_path: Path) -> None:
    evil = EVIL.replace("\0", "").replace("/", "-")[:60] + "\x1b[2J.tape"
    write_evil(tmp_path).rename(tmp_path / evil)
    (tmp_path / "\x1b]0;x\x07\x9b.tape").write_bytes(b"no cassette")

    commands: list[Sequence[str | Path]] = [
        ("ls", "--cassettes", tmp_path),
        ("show", tmp_path / evil),
        ("show", tmp_path / "\x1b]0;none\x07"),
        ("show", tmp_path / "\x1b]0;x\x07\x9b.tape"),
        ("ls", tmp_path / "\x1b]0;x\x07\x9b.tape"),
        ("check", tmp_path),
        ("explain", tmp_path / evil),
        ("show", "--cassettes", tmp_path, "\x1b[2Jnone"),
        ("show", "--\x1b[2J"),
        ("\x1b[2J",),
        ("ls", "--cassettes", tmp_path / "\x1b[2J"),
    ]
    for command, (_, written) in zip(commands, run_in_terminal(*commands), strict=True):
        assert find_unsafe(written) == set(), command
        assert "Traceback" not in written


@pytest.mark.case(78)
def test_raw_bytes_are_refused_to_a_terminal(tmp_path: Path) -> None:
    [(status, written)] = run_in_terminal(("show", "--raw", write_evil(tmp_path)))

    assert status == 2
    assert "lead them into a file or a pipe" in " ".join(written.split())
    assert find_unsafe(written) == set()
    assert "owned" not in written
