"""
``streamtape replay``.
"""

from __future__ import annotations

from pathlib import Path

import click

from streamtape.cli._options import (
    cassettes_option,
    command_argument,
    listening_port,
    port_option,
    read_speed,
)
from streamtape.cli._serving import serve
from streamtape.core.pacing import INSTANT, Pacing
from streamtape.core.takes import Exhausted
from streamtape.server.config import Config


@click.command()
@cassettes_option
@port_option
@click.option(
    "--speed",
    type=read_speed,
    default="1",
    show_default=True,
    envvar="STREAMTAPE_SPEED",
    metavar="N|instant",
    help="1 is the recorded pace, 10 ten times as fast.",
)
@click.option(
    "--max-gap",
    type=click.FloatRange(min=0),
    envvar="STREAMTAPE_MAX_GAP",
    metavar="SECONDS",
    help="Cut longer silences to this, before the speed applies.",
)
@click.option(
    "--exhausted",
    type=click.Choice([policy.value for policy in Exhausted]),
    default=Exhausted.CYCLE.value,
    show_default=True,
    envvar="STREAMTAPE_EXHAUSTED",
    help="What follows the last take of a request: a miss, that take again, or the "
    "first one.",
)
@command_argument
def replay(
    cassettes: Path,
    port: int | None,
    speed: float,
    max_gap: float | None,
    exhausted: str,
    command: tuple[str, ...],
) -> None:
    """
    Answer requests from cassettes: same bytes, same times, no network.

    A request that was not recorded gets status 424 and a message that says what
    comes nearest. With a COMMAND the proxy lives as long as it runs, and leads its
    SDK here.

    \b
    Examples:
      streamtape replay
      streamtape replay --speed instant -- pytest
    """
    gap_ns = None if max_gap is None else round(max_gap * 1e9)
    config = Config(
        cassettes=cassettes,
        pacing=Pacing(speed=speed, max_gap_ns=gap_ns),
        exhausted=Exhausted(exhausted),
        port=listening_port(port, command),
    )
    pace = "without any wait" if speed == INSTANT else f"at {speed:g}x"
    serve(config, command, f"replays {cassettes}/ {pace}")
