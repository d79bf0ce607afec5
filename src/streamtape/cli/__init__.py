"""The command line: one file for each command."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from streamtape.cli._log import configure_log
from streamtape.cli._options import pass_secrets
from streamtape.cli._render import note
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import StreamtapeError, UsageError
from streamtape.version import __version__

log = logging.getLogger(__name__)


_INTERRUPTED: Final = 130
"""The status that a shell gives to what Ctrl-C has ended."""


class Later(click.Command):
    """
    Stands for a command until it is asked for: some need much that others don't.

    Its name is that of the module, and of what is in it.
    """

    def load(self) -> click.Command:
        """Import the command."""
        name = self.name or ""
        command = getattr(import_module(f"streamtape.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command


class Commands(click.Group):
    """Turns errors into a sentence and a status: 2 for usage, else 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, or print the help, with all three streams there."""
        _fill_streams()
        secrets = Secrets()
        try:
            return super().main(*args, obj=secrets, **extra)
        except OSError as error:
            # Help that nobody could be given, too.
            log.debug("where it came from", exc_info=error)
            about = "" if error.filename is None else f"{error.filename}: "
            note(f"Error: {about}{error.strerror or error}", secrets)
            sys.exit(1)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None where there is none of that name."""
        command = super().get_command(ctx, cmd_name)
        return command.load() if isinstance(command, Later) else command

    def invoke(self, ctx: click.Context) -> object:
        secrets = ctx.ensure_object(Secrets)
        try:
            return super().invoke(ctx)
        except StreamtapeError as error:
            log.debug("where it came from", exc_info=error)
            note(f"Error: {error}", secrets)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            # What click has words for, or main().
            raise
        except KeyboardInterrupt:
            note("Stopped.", secrets)
            sys.exit(_INTERRUPTED)
        except Exception as error:
            log.debug("where it came from", exc_info=error)
            said = f"{type(error).__name__}: {error}"
            told = f"Error: a defect of streamtape itself, told with -v: {said}"
            note(told, secrets)
            sys.exit(1)


def _fill_streams() -> None:
    """
    Lead each stream that was closed before we were started to where nothing is.

    Else a file or a connection of ours would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # For as long as we run, hence the noqa.
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 88,
    },
)
@click.version_option(__version__, prog_name="streamtape")
@click.option("-v", "--verbose", is_flag=True, help="Say where errors come from.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@pass_secrets
def main(secrets: Secrets, verbose: bool, quiet: bool) -> None:
    """
    Record streaming Messages responses with their timing, and replay them at any
    speed.

    \b
    streamtape record           forward to the API and record what comes back
    streamtape replay           give it back, same bytes, same times, no network
    streamtape demo             see both, without a key and without a network
    """
    configure_log(secrets, verbose=verbose, quiet=quiet)


for _name in (
    "record",
    "replay",
    "demo",
    "ls",
    "show",
    "explain",
    "check",
    "recover",
    "redact",
    "config",
):
    main.add_command(Later(_name))
