"""``streamtape record``."""

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
from streamtape.core.modes import RecordMode
from streamtape.core.redaction.secrets import Secrets
from streamtape.server.config import Config, recording_config
from streamtape.server.upstream.url import with_source
from streamtape.settings import Settings


@click.command()
@command_options("record")
@finish_options
@command_argument
@pass_secrets
def record(
    secrets: Secrets, settings: Settings, finish: Finish, command: tuple[str, ...]
) -> None:
    """
    Forward requests to the API and record what comes back.

    Every answer streams through untouched while it becomes a cassette. With a
    COMMAND the proxy lives as long as it runs, and leads its SDK here.

    The exit status is the COMMAND's; where that is 0, or there is none, it is 3 if
    an answer could not be recorded, 4 if the upstream was asked and answered
    nothing or is a streamtape itself, and 1 for what --fail-on-… finds. An answer
    that Ctrl-C cuts changes none of that.

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
    config = recording_config(settings, port=listening_port(settings.port, command))
    serve(config, secrets, command, _explain(config), finish)


def _explain(config: Config) -> str:
    library = f"{config.cassettes}/"
    # Keys go there, and who cloned a project or exported an address may not know.
    upstream = with_source(config.upstream or "", config.upstream_source)
    match config.policy.mode:
        case RecordMode.ALL:
            return f"records to {library} what {upstream} answers"
        case RecordMode.NEW_EPISODES:
            return f"replays {library} and records there what {upstream} has to answer"
        case RecordMode.ONCE:
            recorded = f"if it is empty records there what {upstream} answers"
            return f"replays {library}, or {recorded}"
        case RecordMode.PASSTHROUGH:
            return f"forwards to {upstream} and records nothing"
        case RecordMode.NONE:
            forwards = f", and some scopes forward to {upstream}"
            return f"replays {library}{forwards if config.upstream else ''}"
