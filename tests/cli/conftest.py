"""
Commands are run in this process, and set up a log that the next test must not have.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """
    Give the log back as it was.
    """
    ours = logging.getLogger("streamtape")
    handlers, level, propagates = [*ours.handlers], ours.level, ours.propagate
    yield
    ours.handlers[:] = handlers
    ours.setLevel(level)
    ours.propagate = propagates
