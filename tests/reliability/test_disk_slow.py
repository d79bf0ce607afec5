"""
A disk that is slower than the answers: clients wait between them, and nothing is lost.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from e2e.processes import wait_until
from e2e.wire import authority, connect
from reliability.failing_disk import record_on
from streamtape.library.disk import Disk
from streamtape.server.commits import MOST_WAITING
from streamtape.testing import FakeUpstream, json_reply
from usage import IS_TOLD, count_descriptors

MORE = 60
"""How many more are asked for than may wait."""


class StuckDisk(Disk):
    """A disk that syncs nothing until it is told to."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()

    def sync(self, descriptor: int) -> None:
        """Wait, and sync."""
        assert self.goes_on.wait(60)
        super().sync(descriptor)


@pytest.mark.case
@pytest.mark.skipif(not IS_TOLD, reason="only Linux tells descriptors")
def test_recordings_that_wait_for_the_disk_are_bounded(tmp_path: Path) -> None:
    """Each of them keeps a file open."""
    disk, asked = StuckDisk(), MOST_WAITING + MORE
    with (
        FakeUpstream([json_reply({})]) as upstream,
        record_on(disk, tmp_path, upstream=upstream.url) as recording,
        connect(recording.base_url) as client,
    ):
        had = count_descriptors(os.getpid())
        host = authority(recording.base_url)
        client.sendall(f"GET /v1/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * asked)
        wait_until(lambda: len(upstream.requests) > MOST_WAITING, "all that may, wait")
        disk.goes_on.wait(0.2)
        waiting, more = len(upstream.requests), count_descriptors(os.getpid()) - had
        disk.goes_on.set()
        assert waiting == MOST_WAITING + 1
        assert more < MOST_WAITING + MORE // 2
        kept = {"recorded": asked}
        wait_until(lambda: recording.summary.counts == kept, "the others are asked")

    assert len([*tmp_path.glob("*.tape")]) == asked
