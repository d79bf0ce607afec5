"""A disk that fails at each of the calls in which it can, one after the other."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest

import streamtape
from e2e.listening import body
from e2e.wire import Ending, ask
from proofs import Trials
from reliability.failing_disk import CountingDisk, ShortDisk, record_on
from streamtape.core.model import EndReason
from streamtape.testing import FakeUpstream, Profile, stream_reply, text

REPLY = stream_reply(
    text("It was a long night."),
    profile=Profile(ttft_ns=0, gap_ns=1_000_000, pause_ns=0, joins=0, splits=False),
)
"""Events that come one by one, so that most are written one by one."""

FAILURES: dict[str, Callable[[int], CountingDisk]] = {
    "eio-once": lambda number: CountingDisk(number),
    "eio-for-good": lambda number: CountingDisk(number, is_for_good=True),
    "enospc-for-good": lambda number: CountingDisk(
        number, errno.ENOSPC, is_for_good=True
    ),
    "short-write": lambda number: ShortDisk(number, errno.ENOSPC),
    "no-links": lambda number: CountingDisk(number, has_links=False),
}


@pytest.mark.case(6, 7)
@pytest.mark.parametrize(
    ("failing", "replace"),
    [
        *(pytest.param(failing, False, id=name) for name, failing in FAILURES.items()),
        pytest.param(FAILURES["eio-for-good"], True, id="replacing-eio-for-good"),
    ],
)
def test_a_disk_that_fails_at_any_call_costs_one_recording_and_no_client(
    failing: Callable[[int], CountingDisk],
    replace: bool,
    trials: Trials,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mode = "all" if replace else "new_episodes"
    with FakeUpstream([REPLY]) as upstream:
        for number in count(1):
            disk = failing(number)
            folder = tmp_path / str(number)
            if replace:
                record_twice(upstream.url, folder)
            caplog.clear()
            with record_on(disk, folder, upstream=upstream.url, mode=mode) as proxy:
                answer = ask(proxy.base_url, body=body("hello"))
            if not disk.has_failed:
                break
            trials.ran += 1
            where = f"call {number} of {disk.calls}"
            assert (answer.status, answer.body) == (200, REPLY.body), where
            assert answer.ending is Ending.WHOLE, where
            check_said(proxy.summary.counts, folder, caplog, where)
            check_left(folder, where)
            if replace and proxy.summary.counts == {"lost": 1}:
                assert len([*folder.glob("*.tape")]) == 2, where

    assert trials.ran >= 8
    assert {"create", "write", "sync", "sync_folder"} <= set(disk.calls)
    assert proxy.summary.counts == {"recorded": 1}


def record_twice(upstream: str, folder: Path) -> None:
    """Make two takes for a recording to replace."""
    with streamtape.record(folder, upstream=upstream, mode="all") as proxy:
        for _ in range(2):
            ask(proxy.base_url, body=body("hello"))


def check_said(
    counts: Mapping[str, int],
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """
    What was lost is counted, and what went wrong was said in a line with file and
    reason; in two where the disk fails for good behind the naming.
    """
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.ERROR
    ]
    assert counts in ({"lost": 1}, {"recorded": 1}), where
    assert all(str(folder) in line for line in lines), lines
    assert all(
        os.strerror(errno.EIO) in line or os.strerror(errno.ENOSPC) in line
        for line in lines
    ), lines
    if counts == {"lost": 1}:
        assert len(lines) == 1, (where, lines)
    else:
        assert len(lines) <= 2, (where, lines)


def check_left(folder: Path, where: str) -> None:
    """What has its name is whole, and a part plays what it has, if it has anything."""
    for path in folder.glob("*"):
        if path.suffix == ".part" and not path.stat().st_size:
            continue
        cassette = streamtape.open(path)
        assert REPLY.body.startswith(cassette.body), where
        if path.suffix == ".tape":
            assert cassette.ending.is_complete, where
            assert cassette.body == REPLY.body, where
        elif not cassette.ending.is_complete:
            assert cassette.ending.reason is EndReason.TRUNCATED, where
