"""``streamtape replay``."""

from __future__ import annotations

import click

from streamtape.cli._options import command_argument, listening_port, setting_options
from streamtape.cli._serving import serve
from streamtape.cli._summary import Finish, finish_options
from streamtape.core.pacing import INSTANT
from streamtape.server.config import replaying_config
from streamtape.settings import Settings
from streamtape.settings.table import SETTINGS

_NOT_HERE = frozenset({"upstream", "mode", "on_disconnect"})
"""What only a server needs that forwards."""


@click.command()
@setting_options(*(name for name in SETTINGS if name not in _NOT_HERE))
@finish_options
@command_argument
def replay(settings: Settings, finish: Finish, command: tuple[str, ...]) -> None:
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
    config = replaying_config(settings, port=listening_port(settings.port, command))
    speed = config.policy.pacing.speed
    pace = "without any wait" if speed == INSTANT else f"at {speed:g}x"
    serve(config, command, f"replays {config.cassettes}/ {pace}", finish)
