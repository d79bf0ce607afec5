"""A recorder that is killed: what it had is there, and nothing else is in the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest

from e2e.here import run_here
from e2e.listening import KEY, Listening, body, stalling_reply
from e2e.processes import start_recorder, start_replay, wait_until
from e2e.wire import Ending, ask, connect
from streamtape import open as read_cassette
from streamtape.core.model import EndReason
from streamtape.errors import CassetteError
from streamtape.testing import INSTANT, FakeUpstream, Reply, stream_reply, text

PROMPT = f"My key is {KEY}; keep it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What a killed recorder left behind."""

    folder: Path
    seen: list[bytes]
    """The events that its client had."""


@pytest.fixture(scope="module", params=[0, 12], ids=["before-any-event", "midway"])
def original(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Killed:
    """A recorder is killed after so many events."""
    events: int = request.param
    folder = tmp_path_factory.mktemp("killed")
    with (
        FakeUpstream([stalling_reply(events)]) as upstream,
        start_recorder(upstream.url, folder) as recorder,
        Listening(recorder.base_url, PROMPT) as client,
    ):
        seen = client.take(events)
        # The client comes first: its last event may not be on the disk yet.
        wait_until(lambda: count_events(folder) == events, "the events are recorded")
        recorder.send(SIGKILL)
        assert client.rest() == ([], False)
        assert recorder.finish().status == -SIGKILL
    return Killed(folder=folder, seen=seen)


@pytest.fixture
def killed(original: Killed, tmp_path: Path) -> Killed:
    """A copy that a test may change."""
    folder = tmp_path / "cassettes"
    shutil.copytree(original.folder, folder)
    return Killed(folder=folder, seen=original.seen)


def count_events(folder: Path) -> int:
    """How many events the only recording has; -1 while it has not begun."""
    try:
        [path] = folder.glob("*.part")
        return len(read_cassette(path).events)
    except (ValueError, CassetteError):
        return -1


@pytest.mark.case(13)
def test_a_killed_recording_is_listed_as_truncated(killed: Killed) -> None:
    end = run_here("ls", "--json", "--cassettes", killed.folder)

    [listed] = json.loads(end.stdout)
    assert listed["path"].endswith(".part")
    assert listed["state"] == EndReason.TRUNCATED
    assert listed["events"] == len(killed.seen)


@pytest.mark.case(13)
def test_a_killed_recording_plays_up_to_its_end_and_breaks(killed: Killed) -> None:
    with start_replay(killed.folder) as replay:
        answer = ask(replay.base_url, body=body(PROMPT))
        replay.stop()

    assert answer.status == 200
    assert answer.body == b"".join(killed.seen)
    assert answer.ending is Ending.CLOSED


def test_a_recorder_works_beside_what_a_killed_one_left(killed: Killed) -> None:
    [part] = killed.folder.iterdir()
    left = part.read_bytes()

    with (
        FakeUpstream([stream_reply(text("Kept."), profile=INSTANT)]) as upstream,
        start_recorder(upstream.url, killed.folder) as recorder,
    ):
        recorded = ask(recorder.base_url, body=body(PROMPT))
        assert recorder.stop().status == 0
    with start_replay(killed.folder) as replay:
        replayed = ask(replay.base_url, body=body(PROMPT))
        replay.stop()

    assert part.read_bytes() == left
    assert recorded.ending is Ending.WHOLE
    assert replayed.body == recorded.body
    assert replayed.ending is Ending.WHOLE


def test_a_killed_recorder_has_written_no_key(killed: Killed) -> None:
    [path] = killed.folder.iterdir()

    assert KEY.encode() not in path.read_bytes()
    assert KEY not in path.name
    assert b"keep it" in path.read_bytes()


def test_a_recorder_that_is_killed_before_the_answer_leaves_nothing(
    tmp_path: Path,
) -> None:
    asked = body(PROMPT)
    head = f"POST /v1/messages HTTP/1.1\r\nContent-Length: {len(asked)}\r\n"
    with (
        FakeUpstream([Reply(head_offset_ns=3600 * 10**9)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
        connect(recorder.base_url) as connection,
    ):
        address = recorder.base_url.removeprefix("http://")
        connection.sendall(f"{head}Host: {address}\r\n\r\n".encode() + asked)
        wait_until(lambda: len(upstream.requests) == 1, "the request went upstream")
        recorder.send(SIGKILL)
        recorder.finish()

    assert list(tmp_path.iterdir()) == []
