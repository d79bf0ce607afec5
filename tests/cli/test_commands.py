from __future__ import annotations

import click
from click.testing import CliRunner

from streamtape.cli import Commands


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
