"""Running a server in the foreground: until Ctrl-C, or as long as a command runs."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Final

import click

from streamtape.cli._log import log_defects
from streamtape.cli._progress import waiting
from streamtape.cli._render import escape
from streamtape.cli._signals import ENDED, StopSignals
from streamtape.cli._summary import Finish, print_summary
from streamtape.core.redaction.secrets import Secrets
from streamtape.server.config import Config
from streamtape.server.http.guard import TOKEN_VARIABLE
from streamtape.server.http.limits import raise_limit
from streamtape.server.server import RunningServer
from streamtape.server.summary import Summary

log = logging.getLogger(__name__)

_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126

_LOST: Final = 3
"""Status of a run that recorded less than it served."""

_NO_UPSTREAM: Final = 4
"""Status of a run in which the upstream answered nothing that is the API's."""

_CHILD_PATIENCE_S: Final = 8.0
"""
How long a command that was asked to end may take before it is killed: less than
those ten seconds after which Docker and others would kill us and it.
"""

_SWITCH_S: Final = 0.0002
"""How long another thread may go on when an event is due; Python's own is 5 ms."""


def serve(
    config: Config,
    secrets: Secrets,
    command: Sequence[str],
    hello: str,
    finish: Finish,
) -> None:
    """
    Serve, and leave with the command's status, or with that of the run on Ctrl-C.

    Args:
        secrets: Those of this command, which writes the server's log.
        command: A program and its arguments; empty to serve until a signal.
        hello: What the server does, said after its address.
        finish: What to do at the end.

    Raises:
        UsageError: The server can't start as asked.
    """
    raise_limit()
    log_defects()
    # The signals first: whoever reads the address may stop us at once.
    with closing(StopSignals()) as signals, ExitStack() as stack:
        with waiting("Reading the library"):
            server = RunningServer(
                config, secrets=secrets, before_listening=_favour_events
            )
            stack.enter_context(server)
        log.info("%s  %s", server.base_url, hello)
        _show_outer_url(server)
        if command:
            status = _run(command, server, signals)
        else:
            log.info(
                "Ctrl-C stops. Point a client at it: export ANTHROPIC_BASE_URL=%s",
                server.base_url,
            )
            signals.next()
            status = 0
        # A second one, while the recordings are being ended, means now.
        signals.close()
    print_summary(server.summary, finish)
    found = finish.status(server.summary)
    sys.exit(status or _status_of(server.summary) or found)


def _status_of(summary: Summary) -> int:
    """Return what went wrong in a run, whatever was asked for; 0 for nothing."""
    counts = summary.counts
    if counts.get("lost"):
        return _LOST
    if summary.failures:
        return _NO_UPSTREAM
    # A client asks again after a failure, so one that was made good is none.
    answered = counts.get("recorded", 0) + counts.get("forwarded", 0)
    return _NO_UPSTREAM if counts.get("failed") and not answered else 0


def _show_outer_url(server: RunningServer) -> None:
    """Show the address for clients elsewhere, with its token unless that was set."""
    if not server.outer_url:
        return
    url, token = server.outer_url, server.config.token
    if token is not None:
        url = url.removesuffix(token) + f"${TOKEN_VARIABLE}"
    # No log line: those never show a token.
    click.echo(f"{escape(url)}  for clients elsewhere", err=True)


def _favour_events() -> None:
    """
    Keep this process, which is ours, from making events late.

    Collections took up to 20 ms each. What is there now stays, and need not be looked
    at again; what comes later makes so little garbage that a collection is worth it far
    less often than by default. No other thread, such as the one that prints the
    address, keeps the server's waiting for long.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _run(command: Sequence[str], server: RunningServer, signals: StopSignals) -> int:
    """Run a program that uses the server; returns its status as a shell would."""
    if (number := signals.pending()) is not None:
        return 128 + number
    try:
        child = subprocess.Popen(command, env={**os.environ, **server.env})
    except FileNotFoundError:
        log.error("%s: there is no such command", command[0])
        return _NOT_FOUND
    except OSError as error:
        log.error("%s: can't be run: %s", command[0], error.strerror)
        return _NOT_EXECUTABLE
    signals.watch(child.wait)
    interrupts = 0
    while (number := signals.next()) != ENDED:
        if number == signal.SIGINT:
            interrupts += 1
            if interrupts == 1:
                log.info("Waiting for the command; Ctrl-C once more ends it.")
        # A terminal sends Ctrl-C to the child too, which decides what to make of it,
        # unless somebody insists.
        if number != signal.SIGINT or interrupts > 1:
            child.send_signal(signal.SIGTERM if interrupts > 1 else number)
            # Whoever stops us soon stops waiting, and would kill us with it.
            killer = threading.Timer(_CHILD_PATIENCE_S, child.kill)
            killer.daemon = True
            killer.start()
    # Its answers may be recorded on without it, unless somebody stops us.
    signals.watch(server.wait_for_detached)
    signals.next()
    status = child.returncode
    return 128 - status if status < 0 else status
