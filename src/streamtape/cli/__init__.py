"""
The command line: one file for each command.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

import click

from streamtape.cli._log import configure_log
from streamtape.cli._render import note
from streamtape.cli.check import check
from streamtape.cli.config import config
from streamtape.cli.demo import demo
from streamtape.cli.explain import explain
from streamtape.cli.ls import ls
from streamtape.cli.record import record
from streamtape.cli.recover import recover
from streamtape.cli.redact import redact
from streamtape.cli.replay import replay
from streamtape.cli.show import show
from streamtape.errors import StreamtapeError, UsageError
from streamtape.version import __version__

log = logging.getLogger(__name__)


_INTERRUPTED: Final = 130
"""The status that a shell gives to what Ctrl-C has ended."""


class Commands(click.Group):
    """
    Turns errors into a sentence and a status: 2 for usage, else 1.
    """

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except StreamtapeError as error:
            log.debug("where it came from", exc_info=error)
            note(f"Error: {error}")
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except (
            click.ClickException,
            click.exceptions.Exit,
            click.Abort,
            BrokenPipeError,
        ):
            # What click has words for.
            raise
        except KeyboardInterrupt:
            note("Stopped.")
            sys.exit(_INTERRUPTED)
        except OSError as error:
            log.debug("where it came from", exc_info=error)
            about = "" if error.filename is None else f"{error.filename}: "
            note(f"Error: {about}{error.strerror or error}")
            sys.exit(1)
        except Exception as error:
            log.debug("where it came from", exc_info=error)
            said = f"{type(error).__name__}: {error}"
            note(f"Error: a defect of streamtape itself, told with -v: {said}")
            sys.exit(1)


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
def main(verbose: bool, quiet: bool) -> None:
    """
    Record streaming Messages responses with their timing, and replay them at any
    speed.

    \b
    streamtape record           forward to the API and record what comes back
    streamtape replay           give it back, same bytes, same times, no network
    streamtape demo             see both, without a key and without a network
    """
    configure_log(verbose=verbose, quiet=quiet)


for _command in (
    record,
    replay,
    demo,
    ls,
    show,
    explain,
    check,
    recover,
    redact,
    config,
):
    main.add_command(_command)
