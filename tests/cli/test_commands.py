from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from streamtape.cli import Commands, main


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
