"""How far a command is, for whoever waits at a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from streamtape.cli._render import escape, shorten

_NAME_CHARS: Final = 40

_PATIENCE_S: Final = 1.0
"""How long nobody wonders what a command is doing."""


def tracked(files: Sequence[Path], doing: str) -> Iterator[Path]:
    """
    Yield the files, and show on stderr which of them is at work, if it is a terminal.

    Nothing of it stays. Print what there is to print after the last one: it would
    run into the line.

    Args:
        doing: What is done with them, as the first word of a line.
    """
    if not sys.stderr.isatty():
        yield from files
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.completed} of {task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=len(files))
        for file in files:
            name = shorten(escape(file.name), _NAME_CHARS)
            progress.update(task, description=f"{doing} {name}")
            yield file
            progress.advance(task)


@contextmanager
def waiting(doing: str, *, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """
    Show on stderr what the block is doing if that takes longer than a person expects,
    and if it is a terminal. Nothing of it stays.
    """
    if not sys.stderr.isatty():
        yield
        return
    status = Console(stderr=True).status(doing)
    timer = threading.Timer(patience_s, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # It may be at work already.
        timer.join()
        status.stop()
