"""
Options that mean the same in every command, and values as people write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from streamtape.core.pacing import parse_speed
from streamtape.errors import UsageError
from streamtape.server.config import DEFAULT_CASSETTES, DEFAULT_PORT


def read_speed(text: str) -> float:
    """
    Read a speed: a number above 0, or ``instant``; fails as click does.
    """
    try:
        return parse_speed(text)
    except UsageError as error:
        raise click.BadParameter(str(error)) from error


def listening_port(port: int | None, command: Sequence[str]) -> int:
    """
    Return where to listen: as asked, or the default port, or a free one with a command.
    """
    if port is not None:
        return port
    return 0 if command else DEFAULT_PORT


cassettes_option = click.option(
    "--cassettes",
    # Whether it can be read is found out, and said, by what reads it.
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CASSETTES,
    show_default=True,
    envvar="STREAMTAPE_CASSETTES",
    metavar="DIR",
    help="The library: a folder of cassettes.",
)

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    envvar="STREAMTAPE_PORT",
    metavar="N",
    help=(
        "Where to listen on 127.0.0.1; 0 picks a free port.  "
        f"[default: {DEFAULT_PORT}, or a free one with a command]"
    ),
)

command_argument = click.argument(
    "command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]"
)
