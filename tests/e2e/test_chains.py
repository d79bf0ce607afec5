"""
A recorder whose upstream is a streamtape: nothing of what that answers is recorded.

Whoever exports the address that a replay prints, and records in the same shell, has
made such a chain without knowing it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest

import streamtape
from e2e.listening import body
from e2e.processes import Finished, Program, run, start_recorder, start_replay
from e2e.wire import Answer, ask, listen, url_of
from streamtape.errors import UsageError
from streamtape.testing import FakeUpstream

RECORDED, NEW = "hello", "something new"
"""Prompts that the replay upstream has an answer to, and has none."""

ADVICE = "unset ANTHROPIC_BASE_URL, or name the API with --upstream"


@pytest.fixture
def tapes(upstream: FakeUpstream, tmp_path: Path) -> Path:
    """A library with one cassette."""
    folder = tmp_path / "tapes"
    with streamtape.record(folder, upstream=upstream.url) as recording:
        ask(recording.base_url, body=body(RECORDED))
    return folder


@pytest.fixture
def replay_url(tapes: Path) -> Iterator[str]:
    """The address of a replay of that library."""
    with streamtape.replay(tapes, speed="instant") as replay:
        yield replay.base_url


def contents(folder: Path) -> dict[str, bytes]:
    """Return all that is in a folder, which need not be there."""
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def message_of(answer: Answer) -> str:
    """
    Return the message of an error that no client takes for the API's or tries again.
    """
    assert (answer.status, answer.header("x-streamtape")) == (424, "error")
    assert answer.header("x-should-retry") == "false"
    told = json.loads(answer.body)
    assert told["type"] == "error"
    assert told["error"]["type"] == "invalid_request_error"
    return str(told["error"]["message"])


@pytest.mark.parametrize("prompt", [RECORDED, NEW], ids=["hit", "miss"])
def test_an_exported_replay_is_not_recorded_by_the_next_recorder(
    prompt: str, tapes: Path, tmp_path: Path
) -> None:
    """The client and the terminal are told whence the address came, and what helps."""
    folder = tmp_path / "new"
    before = contents(tapes)
    with start_replay(tapes) as replay:
        url = replay.base_url
        env = {"ANTHROPIC_BASE_URL": url}
        with Program("record", "--cassettes", folder, "--port=0", env=env) as recorder:
            hello = recorder.wait_for("records")
            answer = ask(recorder.base_url, body=body(prompt))
            end = recorder.stop()
        replay.stop()

    upstream = f"{url} (from ANTHROPIC_BASE_URL)"
    assert hello.endswith(f"  records to {folder}/ what {upstream} answers\n")
    message = message_of(answer)
    assert message.startswith(f"the upstream {upstream} is a streamtape itself, ")
    assert ADVICE in message
    assert f"\nWarning: {message}\n" in end.stderr
    assert "\nStopped: 1 failed upstream.\n" in end.stderr
    assert f"\nError: {message}\n" in end.stderr
    assert end.status == 4
    assert contents(folder) == {}
    assert contents(tapes) == before


@pytest.mark.parametrize("prompt", [RECORDED, NEW], ids=["hit", "miss"])
@pytest.mark.parametrize("mode", ["all", "new_episodes", "once", "passthrough"])
def test_no_mode_records_or_passes_on_what_a_streamtape_answers(
    mode: str, prompt: str, replay_url: str, tmp_path: Path
) -> None:
    """Not a byte of the answer reaches the client."""
    folder = tmp_path / "new"
    with streamtape.record(folder, upstream=replay_url, mode=mode) as recording:
        message = message_of(ask(recording.base_url, body=body(prompt)))

    assert message.startswith(
        f"the upstream {replay_url} (from argument upstream) is a streamtape itself"
    )
    assert contents(folder) == {}
    assert recording.summary.counts == {"failed": 1}
    assert recording.summary.failures == (message,)
    assert recording.summary.as_json()["failures"] == [message]


def test_what_was_recorded_of_the_api_stays_when_a_streamtape_answers(
    replay_url: str, tapes: Path
) -> None:
    """Mode all replaces what there is of a request, but not by this."""
    before = contents(tapes)
    with streamtape.record(tapes, upstream=replay_url) as recording:
        message_of(ask(recording.base_url, body=body(RECORDED)))

    assert contents(tapes) == before


def test_a_hit_needs_no_upstream_and_is_replayed(replay_url: str, tapes: Path) -> None:
    """The upstream is judged by what it answers, so only when it is asked."""
    with streamtape.record(
        tapes, upstream=replay_url, mode="new_episodes", speed="instant"
    ) as recording:
        answer = ask(recording.base_url, body=body(RECORDED))

    assert answer.header("x-streamtape") == "replayed"
    assert recording.summary.failures == ()


@pytest.mark.parametrize("mode", ["all", "passthrough"])
def test_a_recorder_is_no_upstream_either(
    mode: str, upstream: FakeUpstream, tmp_path: Path
) -> None:
    """Two recordings of one answer, one of them with the times of the other."""
    near, far = tmp_path / "near", tmp_path / "far"
    with (
        streamtape.record(far, upstream=upstream.url, mode=mode) as recorder,
        streamtape.record(near, upstream=recorder.base_url) as recording,
    ):
        message_of(ask(recording.base_url, body=body(RECORDED)))

    assert contents(near) == {}


def test_the_variable_counts_in_python_too(
    replay_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script in the shell in which the address was exported."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", replay_url)
    with streamtape.record(tmp_path / "new") as recording:
        message = message_of(ask(recording.base_url, body=body(RECORDED)))

    assert f"{replay_url} (from ANTHROPIC_BASE_URL) is a streamtape" in message
    assert ADVICE in message


def test_an_sdk_asks_once_and_shows_what_is_wrong(tapes: Path, tmp_path: Path) -> None:
    """No retry, which could not help, and the sentence is in its exception."""
    with (
        streamtape.replay(tapes, speed="instant") as replay,
        streamtape.record(tmp_path / "new", upstream=replay.base_url) as recording,
        anthropic.Anthropic(base_url=recording.base_url, api_key="k") as client,
        pytest.raises(anthropic.APIStatusError, match="is a streamtape itself"),
    ):
        client.messages.create(
            model="claude-demo",
            max_tokens=9,
            messages=[{"role": "user", "content": NEW}],
        )

    assert recording.summary.counts == {"failed": 1}
    assert replay.summary.counts == {"miss": 1}


def test_no_answer_before_or_after_makes_good_that_a_streamtape_answered(
    tmp_path: Path,
) -> None:
    """The status is that of the upstream though something else was recorded."""
    of_api = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    of_ours = of_api.replace(b"\r\n\r\n", b"\r\nX-Streamtape: replayed\r\n\r\n")

    def answer_all() -> None:
        for said in (of_api, of_ours, of_api):
            served, _ = upstream.accept()
            with served:
                served.recv(1 << 16)
                served.sendall(said)

    with listen() as upstream:
        answering = threading.Thread(target=answer_all)
        answering.start()
        with start_recorder(url_of(upstream), tmp_path) as recorder:
            statuses = [
                ask(recorder.base_url, body=body(prompt)).status for prompt in "abc"
            ]
            end = recorder.stop()
        answering.join()

    assert statuses == [200, 424, 200]
    assert "\nStopped: 2 recorded, 1 failed upstream.\n" in end.stderr
    assert end.status == 4
    assert len(contents(tmp_path)) == 2


def first_line(folder: Path, *options: str, env: dict[str, str]) -> str:
    """Return what a recorder says first, without its own address."""
    where = ("--cassettes", "tapes")
    command = (sys.executable, "-m", "streamtape", "record", *where, *options)
    shell = ("sh", "-c", f'cd "{folder}" && exec "$@"', "sh")
    with Program("--", "true", program=(*shell, *command), env=env) as recorder:
        end: Finished = recorder.finish()
    assert end.status == 0, end.stderr
    return end.stderr.partition("\n")[0].partition("  ")[2]


A, B, C, D = (f"http://127.0.0.1:{port}" for port in (9, 10, 11, 12))


@pytest.mark.parametrize(
    ("env", "options", "file", "upstream"),
    [
        ({}, [], "", "https://api.anthropic.com"),
        ({"ANTHROPIC_BASE_URL": A}, [], "", f"{A} (from ANTHROPIC_BASE_URL)"),
        (
            {"ANTHROPIC_BASE_URL": A},
            [],
            f'upstream = "{B}"',
            f"{B} (from streamtape.toml)",
        ),
        (
            {"ANTHROPIC_BASE_URL": A, "STREAMTAPE_UPSTREAM": C},
            [],
            f'upstream = "{B}"',
            f"{C} (from STREAMTAPE_UPSTREAM)",
        ),
        (
            {"ANTHROPIC_BASE_URL": A, "STREAMTAPE_UPSTREAM": C},
            ["--upstream", D],
            f'upstream = "{B}"',
            f"{D} (from --upstream)",
        ),
    ],
    ids=["default", "base-url", "file", "variable", "flag"],
)
def test_the_first_line_says_who_named_the_upstream(
    env: dict[str, str], options: list[str], file: str, upstream: str, tmp_path: Path
) -> None:
    """All that is not the public API by default is told with its place."""
    (tmp_path / "streamtape.toml").write_text(file, encoding="utf-8")

    line = first_line(tmp_path, *options, env=env)

    assert line == f"records to tapes/ what {upstream} answers"


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("new_episodes", "replays tapes/ and records there what {} has to answer"),
        ("once", "replays tapes/, or if it is empty records there what {} answers"),
        ("passthrough", "forwards to {} and records nothing"),
        ("none", "replays tapes/"),
    ],
)
def test_the_first_line_of_each_mode_says_it(
    mode: str, line: str, tmp_path: Path
) -> None:
    """Wherever an upstream is named at all."""
    (tmp_path / "tapes").mkdir()
    env = {"ANTHROPIC_BASE_URL": A}

    said = first_line(tmp_path, "--mode", mode, env=env)

    assert said == line.format(f"{A} (from ANTHROPIC_BASE_URL)")


TOKEN = "Qm9-a-token-of-another-run"


def test_an_address_with_the_token_of_a_streamtape_is_refused_at_the_start(
    tmp_path: Path,
) -> None:
    """That it is one needs no question, and a token is not shown."""
    env = {"ANTHROPIC_BASE_URL": f"http://build-7:8484/_streamtape/as/{TOKEN}"}

    end = run("record", "--cassettes", tmp_path / "none", env=env)

    assert end.stderr == (
        "Error: ANTHROPIC_BASE_URL: the upstream's URL is that of a streamtape, with "
        "its token, so it is not shown; name the API instead, such as "
        "https://api.anthropic.com; --upstream goes before it\n"
    )
    assert end.status == 2
    with pytest.raises(UsageError, match="that of a streamtape"):
        streamtape.record(upstream=env["ANTHROPIC_BASE_URL"])
