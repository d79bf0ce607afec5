from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forging import KEY, forge, request_frame, response_frame
from streamtape.cli import main
from streamtape.core.model import EndReason
from taping import hello, start_tape, write_tape

HELLO = hello("Hello", " world")
HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"


def run(*args: str | Path, **env: str | None) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, args)], env=env)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library with an error, a warning and a note."""
    write_tape(tmp_path, HELLO, name="sound-00000001")
    write_tape(tmp_path, HELLO[:3], name="cut-00000002", ending=EndReason.UPSTREAM_CUT)
    writer, _ = start_tape(tmp_path / "sub", HELLO[:3], name="orphan-00000003")
    writer.close()
    (tmp_path / "lfs.tape").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    return tmp_path


def test_each_finding_is_a_line_that_says_what_to_do(library: Path) -> None:
    result = run(library)

    part = library / "sub/orphan-00000003.1.part"
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{library}/cut-00000002.tape: note: the answer broke off, upstream cut: "
        "nothing, if that was meant: a replay breaks off there too",
        f"{library}/lfs.tape: error: not a cassette but a Git LFS pointer: "
        "run git lfs pull",
        f"{part}: warning: a recording that was not finished: "
        f"streamtape recover {part} makes a cassette of it; else remove it",
        "4 files checked: 1 error, 1 warning, 1 note",
    ]


def test_json_is_one_array(library: Path) -> None:
    result = run("--json", library)

    told: list[dict[str, Any]] = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [each["severity"] for each in told] == ["note", "error", "warning"]
    assert set(told[0]) == {"path", "severity", "what", "where", "todo"}


@pytest.mark.parametrize("is_strict", [False, True])
def test_warnings_fail_if_they_are_asked_to(library: Path, is_strict: bool) -> None:
    (library / "lfs.tape").unlink()

    result = run(library, *(["--strict"] if is_strict else []))

    assert result.exit_code == int(is_strict)


def test_notes_never_fail(library: Path) -> None:
    assert run("--strict", library / "cut-00000002.tape").exit_code == 0


def test_a_clean_library_says_so(tmp_path: Path) -> None:
    write_tape(tmp_path, HELLO)

    for args in ([tmp_path], ["--cassettes", tmp_path]):
        result = run(*args)
        assert result.exit_code == 0
        assert result.stdout == "1 file checked: nothing found\n"


def test_a_part_that_is_given_is_an_error(library: Path) -> None:
    result = run(library / "sub/orphan-00000003.1.part")

    assert result.exit_code == 1
    assert "error: a recording that was not finished" in result.stdout


@pytest.mark.parametrize("args", [["nowhere"], ["--cassettes", "nowhere"]])
def test_a_folder_that_is_not_there_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run(*args)

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: nowhere: there is no such ")


@pytest.mark.parametrize("command", ["check", "redact"])
def test_a_folder_that_cannot_be_looked_into_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """
    What is in it would else count as looked through. It has too long a path, which
    holds for any user.
    """
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)

    result = CliRunner().invoke(main, [command, str(tmp_path)])

    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path}/ddd")
    assert result.stderr.endswith("d: can't be read: File name too long\n")


def test_a_key_of_the_environment_is_found(tmp_path: Path) -> None:
    secret = "my-own-word-of-2026"
    write_tape(tmp_path, hello(f"It is {secret}."))

    found = run(tmp_path, ANTHROPIC_API_KEY=secret)

    assert found.exit_code == 1
    assert "error: a secret of this run (event 3)" in found.stdout
    assert secret not in found.output


def test_a_finding_is_one_line_whatever_a_file_says(tmp_path: Path) -> None:
    evil = "x\x1b[2J\u202e"
    request = request_frame(headers=[[evil, KEY]])
    (tmp_path / f"a{evil}\n.tape").write_bytes(forge([request, response_frame()]))

    result = run(tmp_path)

    assert len(result.stdout.splitlines()) == 2
    assert not set("\x1b\u202e") & set(result.stdout)


def test_the_hook_is_given_what_it_fails_on(library: Path) -> None:
    hook = HOOKS.read_text(encoding="utf-8")
    entry = next(line for line in hook.splitlines() if "entry:" in line)

    command = entry.partition(":")[2].split()

    assert command == ["streamtape", "check"]
    files = sorted(library.rglob("*.*"))
    assert run(*files).exit_code == 1
    assert run(*sorted(library.glob("sound*"))).exit_code == 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals")
def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(library: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "streamtape", "check", str(library)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        shown = process.stdout.read().decode()
        told = os.read(ours, 65536).decode()
        os.close(ours)

    assert "Checking" in told
    assert "4 files checked" in shown
    assert "\x1b" not in shown
