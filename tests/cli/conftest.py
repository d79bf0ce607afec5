"""
Commands are run in this process, and set up a log that the next test must not have.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Give the log back as it was."""
    ours = logging.getLogger("streamtape")
    handlers, level, propagates = [*ours.handlers], ours.level, ours.propagate
    yield
    ours.handlers[:] = handlers
    ours.setLevel(level)
    ours.propagate = propagates


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the width of the terminal that the tests were started from."""
    monkeypatch.delenv("COLUMNS", raising=False)
