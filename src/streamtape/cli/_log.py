"""Log lines for people, on stderr: without secrets, and none that a request made up."""

from __future__ import annotations

import contextlib
import logging
import select
import sys
import threading
from types import TracebackType
from typing import Final

import click

from streamtape.cli._render import make_safe
from streamtape.core.redaction.secrets import Secrets

log = logging.getLogger(__name__)


_PIECE_CHARS: Final = 1000
"""A pipe that has room has it for as many, whatever their bytes."""


class _Lines(logging.Handler):
    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """
        Write one line, or more with all but the first indented, so that no text of
        a request can pass for a line of its own.
        """
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.capitalize()}: {text}"
        is_asked = logging.getLogger("streamtape").level <= logging.DEBUG
        if record.exc_info and (is_asked or record.levelno >= logging.CRITICAL):
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        line = make_safe(text, self._secrets, keep="\n").replace("\n", "\n  ")
        if self._left_out and _has_room():
            line = f"({self._left_out} lines that nobody read are left out)\n{line}"
            self._left_out = 0
        self._write(line + "\n")

    def _write(self, text: str) -> None:
        """
        Write as much as is taken at once: whoever has stderr in a pipe and doesn't
        read it, or has left, must not hold up the requests.
        """
        for start in range(0, len(text), _PIECE_CHARS):
            if not _has_room():
                self._left_out += 1
                return
            with contextlib.suppress(OSError):
                click.echo(text[start : start + _PIECE_CHARS], err=True, nl=False)


def _has_room() -> bool:
    try:
        return bool(select.select([], [sys.stderr], [], 0)[1])
    except (OSError, ValueError):
        # No real file, or a system that can only tell it of sockets.
        return True


def configure_log(secrets: Secrets, *, verbose: bool, quiet: bool) -> None:
    """
    Show a line for each interaction, or fewer, or more.

    Args:
        secrets: What is kept out of each.
    """
    level = logging.INFO
    if quiet:
        level = logging.ERROR
    elif verbose:
        level = logging.DEBUG
    ours = logging.getLogger("streamtape")
    ours.handlers[:] = [_Lines(secrets)]
    ours.propagate = False
    ours.setLevel(level)
    # Ours alone: other libraries log what their users send. Without any handler
    # Python itself would write their warnings to stderr.
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())


def log_defects() -> None:
    """Let what Python says of errors that nobody caught come as lines of the log."""
    sys.excepthook = _log_defect
    threading.excepthook = lambda args: _log_defect(
        args.exc_type, args.exc_value, args.exc_traceback
    )
    sys.unraisablehook = lambda args: log.debug(
        "an error that changes nothing",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        if args.exc_value
        else None,
    )


def _log_defect(
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    exc_info = (kind, error, traceback) if error else None
    log.critical("a defect of streamtape itself", exc_info=exc_info)
