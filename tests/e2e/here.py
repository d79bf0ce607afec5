"""
Commands that end by themselves, run in this process: a start is most of what they cost.

For what is about processes (signals, streams, a server) there is e2e.processes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner

from e2e.processes import Finished, plain_environment
from streamtape.cli import main


def run_here(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Finished:
    """
    Run a command that starts no server; an error that it has no words for is raised.

    Args:
        arguments: What follows ``streamtape``.
        env: Variables besides those of :func:`plain_environment`.
    """
    own = plain_environment(env)
    without = dict.fromkeys(os.environ.keys() - own.keys())
    with _own_log():
        result = CliRunner(catch_exceptions=False).invoke(
            main, [*map(str, arguments)], env={**without, **own}, prog_name="streamtape"
        )
    assert "Traceback" not in result.stderr
    return Finished(status=result.exit_code, stdout=result.stdout, stderr=result.stderr)


@contextmanager
def _own_log() -> Iterator[None]:
    """Give the log back as it was before a command set it up."""
    ours = logging.getLogger("streamtape")
    handlers, level, propagates = [*ours.handlers], ours.level, ours.propagate
    try:
        yield
    finally:
        ours.handlers[:] = handlers
        ours.setLevel(level)
        ours.propagate = propagates
