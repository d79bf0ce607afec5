from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

from e2e.processes import COMMAND
from streamtape.cli import Commands, main
from taping import hello, start_tape, write_tape

FULL: Final = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no full device")


def test_a_defect_is_a_sentence() -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def break_down() -> None:
        raise LookupError("nobody thought of it")

    end = CliRunner().invoke(group, ["break-down"])

    assert end.exit_code == 1
    assert end.stderr == (
        "Error: a defect of streamtape itself, told with -v: "
        "LookupError: nobody thought of it\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (OSError(28, "No space left on device"), 1, "Error: No space left on device\n"),
        (OSError(36, "Name too long", "x"), 1, "Error: x: Name too long\n"),
    ],
    ids=["ctrl-c", "disk", "file"],
)
def test_what_ends_a_command_is_a_sentence(
    error: BaseException, status: int, said: str
) -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def break_off() -> None:
        raise error

    end = CliRunner().invoke(group, ["break-off"])

    assert (end.exit_code, end.stderr) == (status, said)


@pytest.mark.parametrize("command", ["check", "redact", "ls", "recover"])
def test_an_empty_name_is_not_this_folder(command: str) -> None:
    end = CliRunner().invoke(main, [command, ""])

    assert end.exit_code == 2
    assert "expected a name, got nothing" in end.stderr


def test_a_reader_that_leaves_is_no_defect() -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def pour() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    end = CliRunner().invoke(group, ["pour"])

    assert end.exit_code == 1
    assert "Error" not in end.stderr


def test_a_command_that_serves_nothing_loads_no_server() -> None:
    program = (
        "import sys\n"
        "from streamtape.cli import main\n"
        "for name in ('ls', 'show', 'check', 'recover', 'redact', 'config'):\n"
        "    main([name, '--help'], standalone_mode=False)\n"
        "assert not {'aiohttp', 'asyncio'} & set(sys.modules)\n"
    )

    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


def test_every_command_that_is_listed_is_there() -> None:
    context = click.Context(main)

    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert (command.name, bool(command.callback)) == (name, True)


@pytest.mark.parametrize("command", ["ls", "check", "redact", "show", "show --raw"])
def test_streams_that_are_closed_are_no_defect(command: str, tmp_path: Path) -> None:
    tape = write_tape(tmp_path, hello("Hi"))
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]

    ran = subprocess.run([*closed, *COMMAND, *command.split(), tape], check=False)

    assert ran.returncode == 0


@needs_full
@pytest.mark.parametrize("args", [["--help"], ["ls", "--help"]], ids=["all", "ls"])
def test_help_that_nobody_could_be_given_is_an_error(args: list[str]) -> None:
    with FULL.open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert ran.returncode == 1
    assert ran.stderr == b"Error: No space left on device\n"


@needs_full
def test_a_note_that_nobody_takes_changes_no_status(tmp_path: Path) -> None:
    writer, _ = start_tape(tmp_path, hello("Hi"))
    writer.close()
    assert writer.path is not None

    with FULL.open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, "recover", writer.path],
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
        )

    assert ran.returncode == 0
    assert ran.stdout.decode().endswith("hello-1a2b3c4d.tape\n")
