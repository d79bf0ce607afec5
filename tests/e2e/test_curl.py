"""curl, byte for byte: the ways in which it sends, and how it shows what comes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.listening import body
from e2e.processes import (
    PATIENCE_S,
    plain_environment,
    start_recorder,
    start_replay,
    wait_until,
)
from streamtape.testing import INSTANT, FakeUpstream

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl is not installed"
)

WAYS = [
    pytest.param([], id="plain"),
    pytest.param(["-N"], id="unbuffered"),
    pytest.param(["-H", "Transfer-Encoding: chunked"], id="chunked-request"),
    pytest.param(["--http1.0"], id="http-1.0"),
    pytest.param(["--compressed"], id="takes-compressed"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Base URLs: the API, and the proxy that records it."""

    upstream: str
    recorder: str
    folder: Path


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """An API and a recorder for all tests of this file."""
    folder = tmp_path_factory.mktemp("curl")
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        start_recorder(upstream.url, folder) as recorder,
    ):
        yield Servers(upstream=upstream.url, recorder=recorder.base_url, folder=folder)


@pytest.fixture(scope="module")
def replay(servers: Servers) -> Iterator[str]:
    """The base URL of a replay beside the recorder, at the recorded pace."""
    with start_replay(servers.folder) as program:
        yield program.base_url


def curl(base_url: str, asked: bytes, *options: str) -> bytes:
    """Send a request for a message, and return the body of the answer."""
    end = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", str(PATIENCE_S)),
            *("-H", "content-type: application/json", "-H", "x-api-key: unused"),
            *("--data-binary", "@-", *options, f"{base_url}/v1/messages"),
        ],
        input=asked,
        stdout=subprocess.PIPE,
        env=plain_environment(),
        check=True,
    )
    return end.stdout


def record(servers: Servers, asked: bytes, *options: str) -> bytes:
    """Send a request to the recorder, and return when another process can replay it."""
    kept = count_cassettes(servers)
    answer = curl(servers.recorder, asked, *options)
    # A cassette gets its name a moment after its client has all of it.
    wait_until(lambda: count_cassettes(servers) > kept, "the answer is kept")
    return answer


def count_cassettes(servers: Servers) -> int:
    """How many cassettes are finished."""
    return len(list(servers.folder.glob("*.tape")))


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("options", WAYS)
def test_curl_gets_the_same_bytes_from_the_api_the_recorder_and_the_replay(
    options: list[str], is_stream: bool, servers: Servers, replay: str
) -> None:
    asked = body(f"By way of {options}", stream=is_stream)

    straight = curl(servers.upstream, asked, *options)
    recorded = record(servers, asked, *options)
    replayed = curl(replay, asked, *options)

    assert b'"type"' in straight
    assert recorded == straight
    assert replayed == straight


def test_curl_is_told_to_go_on_when_it_asks_first(
    servers: Servers, replay: str
) -> None:
    asked = body("May I?")
    options = ("-H", "Expect: 100-continue", "--expect100-timeout", str(2 * PATIENCE_S))

    recorded = record(servers, asked, *options)
    replayed = curl(replay, asked, *options)

    assert recorded.startswith(b"event: message_start")
    assert replayed == recorded


def test_curl_sends_a_large_body_without_being_told_to(servers: Servers) -> None:
    asked = body("A long story. " * 200_000)

    assert record(servers, asked).startswith(b"event: message_start")


def test_curl_shows_what_comes_nearest_to_a_miss(servers: Servers, replay: str) -> None:
    record(servers, body("What is the capital of France?"))

    shown = curl(replay, body("What is the capital of Spain?")).decode()

    assert "no cassette in" in shown
    assert "The nearest is what-is-the-capital-of-france" in shown
    assert "messages[0].content" in shown
    assert "streamtape record --mode new_episodes" in shown
