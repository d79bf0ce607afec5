"""
Log lines for people, on stderr.
"""

from __future__ import annotations

import contextlib
import logging

import click

from streamtape.cli._render import escape


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """
        Write one line, or more with all but the first indented, so that no text of
        a request can pass for a line of its own.
        """
        line = escape(record.getMessage(), keep="\n").replace("\n", "\n  ")
        if record.levelno >= logging.WARNING:
            line = f"{record.levelname.capitalize()}: {line}"
        if record.exc_info and logging.getLogger("streamtape").level <= logging.DEBUG:
            line += "\n" + logging.Formatter().formatException(record.exc_info)
        # Whoever read stderr may have left; the requests are served all the same.
        with contextlib.suppress(OSError):
            click.echo(line, err=True)


def configure_log(*, verbose: bool, quiet: bool) -> None:
    """
    Show a line for each interaction, or fewer, or more.
    """
    level = logging.INFO
    if quiet:
        level = logging.ERROR
    elif verbose:
        level = logging.DEBUG
    # Ours alone: other libraries log what their users send.
    ours = logging.getLogger("streamtape")
    ours.handlers[:] = [_Lines()]
    ours.propagate = False
    ours.setLevel(level)
