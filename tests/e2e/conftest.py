"""An upstream that answers at once, and a proxy that records it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamtape.core.modes import RecordMode
from streamtape.server.config import Config
from streamtape.server.server import RunningServer
from streamtape.settings import Policy
from streamtape.testing import INSTANT, FakeUpstream


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(profile=INSTANT) as running:
        yield running


@pytest.fixture
def proxy(upstream: FakeUpstream, tmp_path: Path) -> Iterator[RunningServer]:
    """Its cassettes go into `tmp_path`; it takes bodies of up to 10 kB."""
    config = Config(
        cassettes=tmp_path,
        policy=Policy(mode=RecordMode.ALL),
        upstream=upstream.url,
        body_limit_bytes=10_000,
    )
    with RunningServer(config) as running:
        yield running
