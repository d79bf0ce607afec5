"""Many interactions on one connection: the last costs no more than the first."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from e2e.processes import PATIENCE_S, Program, start_recorder, wait_until
from proofs import Trials
from streamtape.testing import INSTANT, FakeUpstream
from usage import IS_TOLD, MIB, count_descriptors, rss_bytes

MOST_BYTES: Final = 24 * MIB
"""Some 2 KB for each cassette that becomes known: its names and its key."""

KEPT_BYTES: Final = 64 * MIB
"""How much of its cassettes a replay keeps besides."""

pytestmark = pytest.mark.skipif(not IS_TOLD, reason="only Linux tells memory")


@pytest.mark.slow
@pytest.mark.case
def test_interactions_on_one_connection_leave_nothing_behind(
    tmp_path: Path, trials: Trials
) -> None:
    count = trials.many(quick=500, long=10_000)
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        recorded = talk(recorder, count, trials, most_bytes=MOST_BYTES)
        assert recorder.stop().status == 0
    where = ("--cassettes", tmp_path, "--port", "0")
    with Program("replay", *where, "--speed", "instant") as replay:
        most_bytes = MOST_BYTES + KEPT_BYTES
        replayed = talk(replay, count, trials, most_bytes=most_bytes)
        assert replay.stop().status == 0

    trials.wrong = sum(a != b for a, b in zip(recorded, replayed, strict=True))
    assert trials.wrong == 0
    assert len(list(tmp_path.glob("*.tape"))) == count


def talk(program: Program, count: int, trials: Trials, *, most_bytes: int) -> list[int]:
    """
    Ask for so many answers, one behind the other, and return a hash of each.

    The program may not grow once it has given a tenth of them.
    """
    hashes = []
    asking = ask_on_one_connection(program.base_url, count)
    for number, body in enumerate(asking):
        hashes.append(hash(body))
        trials.ran += 1
        if number == count // 10:
            had_bytes, had = rss_bytes(program.pid), count_descriptors(program.pid)
    wait_until(lambda: count_descriptors(program.pid) <= had, "its files are closed")
    assert rss_bytes(program.pid) - had_bytes <= most_bytes
    return hashes


def ask_on_one_connection(base_url: str, count: int) -> Iterator[bytes]:
    connection = http.client.HTTPConnection(
        urlsplit(base_url).netloc, timeout=PATIENCE_S
    )
    connection.connect()
    only = connection.sock
    for number in range(count):
        asked = {
            "model": "m",
            "max_tokens": 9,
            "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": f"Number {number}"}],
        }
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/messages", json.dumps(asked), headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        assert connection.sock is only
        yield body
    connection.close()
