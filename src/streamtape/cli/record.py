"""
``streamtape record``.
"""

from __future__ import annotations

from pathlib import Path

import click

from streamtape.cli._options import (
    cassettes_option,
    command_argument,
    listening_port,
    port_option,
)
from streamtape.cli._serving import serve
from streamtape.core.modes import RecordMode
from streamtape.server.config import Config, check_upstream, default_upstream


@click.command()
@click.option(
    "--upstream",
    metavar="URL",
    envvar="STREAMTAPE_UPSTREAM",
    help=(
        "Base URL to forward to.  [default: $ANTHROPIC_BASE_URL, or else the "
        "public API]"
    ),
)
@cassettes_option
@port_option
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in RecordMode]),
    default=RecordMode.ALL.value,
    show_default=True,
    envvar="STREAMTAPE_MODE",
    help="When to record and when to replay.",
)
@command_argument
def record(
    upstream: str | None,
    cassettes: Path,
    port: int | None,
    mode: str,
    command: tuple[str, ...],
) -> None:
    """
    Forward requests to the API and record what comes back.

    Every answer streams through untouched while it becomes a cassette. With a
    COMMAND the proxy lives as long as it runs, and leads its SDK here.

    \b
    Modes:
      all           record every request, in place of what was recorded before
      new_episodes  replay what was recorded, and record the rest
      once          record if there is no cassette yet, else replay
      none          replay, and never forward: as streamtape replay
      passthrough   forward, and never record

    \b
    Examples:
      streamtape record
      streamtape record --cassettes cassettes/chat -- python app.py
    """
    listening = listening_port(port, command)
    if mode != RecordMode.NONE:
        upstream = check_upstream(
            upstream or default_upstream(port=listening), port=listening
        )
    config = Config(
        cassettes=cassettes, mode=RecordMode(mode), upstream=upstream, port=listening
    )
    serve(config, command, _explain(config))


def _explain(config: Config) -> str:
    library, upstream = f"{config.cassettes}/", config.upstream
    match config.mode:
        case RecordMode.ALL:
            return f"records to {library} what {upstream} answers"
        case RecordMode.NEW_EPISODES:
            return f"replays {library} and records there what {upstream} has to answer"
        case RecordMode.ONCE:
            return f"replays {library}, or records there if it is empty ({upstream})"
        case RecordMode.PASSTHROUGH:
            return f"forwards to {upstream} and records nothing"
        case RecordMode.NONE:
            return f"replays {library}"
