"""``record`` and ``replay`` as processes: what one keeps the other gives back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import anthropic
import pytest

from e2e.listening import body
from e2e.processes import (
    COMMAND,
    PATIENCE_S,
    plain_environment,
    run,
    start_recorder,
    start_replay,
)
from e2e.wire import ask
from streamtape.testing import FakeUpstream


def tell(base_url: str) -> str:
    """What the real SDK makes of one streamed answer, as JSON."""
    with (
        anthropic.Anthropic(base_url=base_url, api_key="unused") as client,
        client.messages.stream(
            model="claude-demo",
            max_tokens=64,
            messages=[{"role": "user", "content": "hello"}],
        ) as stream,
    ):
        return stream.get_final_message().to_json()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"]
)
def test_what_one_process_records_another_replays(
    number: signal.Signals,
    upstream: FakeUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with start_recorder(upstream.url, tmp_path) as recorder:
        recorded = tell(recorder.base_url)
        recorder_end = recorder.stop(number)
    upstream.stop()
    with start_replay(tmp_path) as replay:
        replayed = tell(replay.base_url)
        replay_end = replay.stop(number)

    assert replayed == recorded
    assert [path.suffix for path in tmp_path.iterdir()] == [".tape"]
    for end, counted in (recorder_end, "1 recorded"), (replay_end, "1 replayed"):
        assert (end.status, end.stdout) == (0, "")
        assert f"\nStopped: {counted}.\n" in end.stderr
        assert "Warning" not in end.stderr


def test_requests_are_served_when_nobody_reads_stderr_any_more(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    read_end, write_end = os.pipe()
    where = ("--upstream", upstream.url, "--cassettes", str(tmp_path))
    command = [*COMMAND, "record", *where, "--port", "0"]
    with subprocess.Popen(
        command, stderr=write_end, env=plain_environment()
    ) as recorder:
        os.close(write_end)
        with os.fdopen(read_end, encoding="utf-8") as stderr:
            base_url = stderr.readline().split()[0]
            assert "Ctrl-C" in stderr.readline()
        answers = [ask(base_url, body=body(prompt)) for prompt in ("one", "two")]
        recorder.send_signal(signal.SIGINT)
        status = recorder.wait(PATIENCE_S)

    assert [answer.status for answer in answers] == [200, 200]
    assert status == 0
    assert len(list(tmp_path.glob("*.tape"))) == 2


def test_quiet_says_nothing(tmp_path: Path) -> None:
    end = run("-q", "replay", "--cassettes", tmp_path, "--", sys.executable, "-c", "")

    assert (end.status, end.stdout, end.stderr) == (0, "", "")
