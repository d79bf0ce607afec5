"""``STREAMTAPE_*`` and ``ANTHROPIC_BASE_URL``: settings in the environment."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from e2e.listening import body, keep_slow_answer
from e2e.processes import Program
from e2e.wire import ask
from streamtape.testing import FakeUpstream


def free_port() -> str:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return str(held.getsockname()[1])


def test_every_option_of_record_has_a_variable(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    port = free_port()
    env = {
        "STREAMTAPE_UPSTREAM": upstream.url,
        "STREAMTAPE_CASSETTES": str(tmp_path / "kept"),
        "STREAMTAPE_PORT": port,
        "STREAMTAPE_MODE": "new_episodes",
    }
    with Program("record", env=env) as recorder:
        base_url = recorder.base_url
        told = ask(base_url, method="GET", target="/_streamtape/status").body
        recorder.stop()

    assert base_url == f"http://127.0.0.1:{port}"
    status = json.loads(told)
    assert status["upstream"] == upstream.url
    assert status["cassettes"] == str(tmp_path / "kept")
    assert status["mode"] == "new_episodes"


def test_every_option_of_replay_has_a_variable(tmp_path: Path) -> None:
    """An hour's silence and a limit of 0 s: without the variable this would hang."""
    keep_slow_answer(tmp_path)
    env = {
        "STREAMTAPE_CASSETTES": str(tmp_path),
        "STREAMTAPE_PORT": "0",
        "STREAMTAPE_SPEED": "0.25",
        "STREAMTAPE_MAX_GAP": "0",
        "STREAMTAPE_EXHAUSTED": "error",
    }
    with Program("replay", env=env) as replay:
        base_url = replay.base_url
        hello = replay.wait_for("replays")
        answers = [ask(base_url, body=body("hello")) for _ in range(2)]
        replay.stop()

    assert f"{tmp_path}/ at 0.25x" in hello
    assert [answer.status for answer in answers] == [200, 424]


def test_an_option_goes_before_its_variable(tmp_path: Path) -> None:
    env = {"STREAMTAPE_SPEED": "fast", "STREAMTAPE_PORT": "none"}
    with Program(
        *("replay", "--cassettes", tmp_path, "--speed", "10", "--port", "0"), env=env
    ) as replay:
        hello = replay.wait_for("replays")
        replay.stop()

    assert "at 10x" in hello


def test_an_exported_base_url_that_is_the_proxy_itself_is_no_upstream(
    tmp_path: Path,
) -> None:
    """Whoever was told to export the address starts the next recorder with it."""
    port = free_port()
    env = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}
    with Program(
        "record", "--cassettes", tmp_path, "--port", port, env=env
    ) as recorder:
        hello = recorder.wait_for("records")
        recorder.stop()

    assert "https://api.anthropic.com" in hello
