"""``streamtape replay``."""

from __future__ import annotations

import click

from streamtape.cli._options import (
    command_argument,
    command_options,
    listening_port,
    pass_secrets,
)
from streamtape.cli._serving import serve
from streamtape.cli._summary import Finish, finish_options
from streamtape.core.pacing import INSTANT
from streamtape.core.redaction.secrets import Secrets
from streamtape.server.config import replaying_config
from streamtape.settings import Settings


@click.command()
@command_options("replay")
@finish_options
@command_argument
@pass_secrets
def replay(
    secrets: Secrets, settings: Settings, finish: Finish, command: tuple[str, ...]
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
    config = replaying_config(settings, port=listening_port(settings.port, command))
    speed = config.policy.pacing.speed
    pace = "without any wait" if speed == INSTANT else f"at {speed:g}x"
    serve(config, secrets, command, f"replays {config.cassettes}/ {pace}", finish)
