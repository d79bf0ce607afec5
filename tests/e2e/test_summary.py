"""What is said at the end of a run, to people, to machines and to shells."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from pathlib import Path

import pytest

import streamtape
from e2e.processes import Finished, run
from e2e.wire import ask, listen, url_of
from streamtape.testing import FakeUpstream, Profile, stream_reply, text

ASK = """
import os, sys, urllib.error, urllib.request
for prompt in sys.argv[1:]:
    body = b'{"messages":[{"role":"user","content":"%s"}]}' % prompt.encode()
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
    try:
        urllib.request.urlopen(urllib.request.Request(url, body)).read()
    except urllib.error.HTTPError as error:
        error.close()
"""


def ask_for(folder: Path, *prompts: str, options: tuple[str, ...] = ()) -> Finished:
    """Run a replay with a program that asks these questions."""
    command = (sys.executable, "-c", ASK, *prompts)
    return run(
        "replay", "--cassettes", folder, "--speed", "instant", *options, "--", *command
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two answers of 12 tokens in and 5 out, each at least 200 ms long."""
    folder = tmp_path_factory.mktemp("recorded")
    reply = stream_reply(
        text("Hello there."),
        profile=Profile(ttft_ns=200_000_000),
        usage={"input_tokens": 12, "output_tokens": 5},
    )
    with (
        FakeUpstream([reply, reply]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        for prompt in ("one", "two"):
            body = {"messages": [{"role": "user", "content": prompt}]}
            ask(recording.base_url, body=json.dumps(body).encode())
    return folder


@pytest.fixture
def library(recorded: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(recorded, tmp_path / "library"))


def test_the_end_says_what_was_saved_and_what_was_not_needed(library: Path) -> None:
    end = ask_for(library, "one", "one")

    [unused] = [path.stem for path in library.glob("two-*.tape")]
    assert end.status == 0
    assert "Stopped: 2 replayed.\n" in end.stderr
    assert "Saved: 24 input and 10 output tokens, " in end.stderr
    assert f"Nobody asked for 1 cassette: {unused}.\n" in end.stderr


def test_the_end_repeats_what_was_missed_once_for_each_request(library: Path) -> None:
    end = ask_for(library, "three", "three", options=("--fail-on-miss",))

    _, _, after = end.stderr.partition("Stopped: 2 missed.\n")
    assert after.count("Missed: ") == 1
    assert "messages[0].content" in after
    assert end.status == 1


@pytest.mark.parametrize(
    ("prompts", "options", "status"),
    [
        pytest.param(["one", "two"], ["--fail-on-miss"], 0, id="no miss"),
        pytest.param(["three"], [], 0, id="a miss that nobody minds"),
        pytest.param(["one"], ["--fail-on-unused"], 1, id="unused"),
        pytest.param(["one", "two"], ["--fail-on-unused"], 0, id="all used"),
    ],
)
def test_a_shell_can_tell(
    prompts: list[str], options: list[str], status: int, library: Path
) -> None:
    assert ask_for(library, *prompts, options=tuple(options)).status == status


def test_the_status_of_the_command_goes_before_a_miss(library: Path) -> None:
    end = run(
        *("replay", "--cassettes", library, "--fail-on-unused", "--"),
        *("sh", "-c", "exit 7"),
    )

    assert end.status == 7


def test_machines_get_one_line_of_json(library: Path) -> None:
    end = ask_for(library, "one", "three", options=("--json",))

    [unused] = [path.stem for path in library.glob("two-*.tape")]
    told = json.loads(end.stdout)
    assert told["requests"] == {"replayed": 1, "miss": 1}
    assert told["unused"] == [unused]
    assert told["saved"]["input_tokens"] == 12
    assert told["saved"]["output_tokens"] == 5
    assert 0.1 < told["saved"]["seconds"] < 60
    [miss] = told["misses"]
    assert miss["differences"][0]["path"] == "messages[0].content"


def test_quiet_runs_say_nothing_but_errors(library: Path) -> None:
    end = run(
        *(
            "-q",
            "replay",
            "--cassettes",
            library,
            "--",
            sys.executable,
            "-c",
            ASK,
            "one",
        )
    )

    assert end.stderr == ""


def test_a_request_that_the_upstream_failed_is_counted(tmp_path: Path) -> None:
    with (
        streamtape.record(tmp_path, upstream="http://127.0.0.1:9") as recording,
    ):
        answer = ask(recording.base_url, body=b"{}")

    assert answer.status == 502
    assert recording.summary.counts == {"failed": 1}


def test_a_request_that_is_refused_is_counted(tmp_path: Path) -> None:
    """Whoever reads the summary sees that something was asked and not answered."""
    with streamtape.record(tmp_path, upstream="http://127.0.0.1:9") as recording:
        answer = ask(recording.base_url, target="/v1/v1/messages", body=b"{}")

    assert answer.status == 404
    assert recording.summary.counts == {"refused": 1}


def test_a_recorder_has_no_unused_cassettes(library: Path) -> None:
    with FakeUpstream() as upstream:
        end = run(
            *("record", "--cassettes", library, "--upstream", upstream.url),
            *("--fail-on-unused", "--", "true"),
        )

    assert end.status == 0


def test_an_error_of_ours_is_no_answer_either(library: Path) -> None:
    options = ("--fail-on-miss", "--replace", "(a|aa)+$", "x")
    end = ask_for(library, "a" * 50 + "!", options=options)

    assert end.status == 1
    assert "Stopped: 1 failed here.\n" in end.stderr
    assert "Error: 1 request got no answer (--fail-on-miss)\n" in end.stderr


def test_the_summary_is_known_while_the_server_runs(library: Path) -> None:
    body = {"messages": [{"role": "user", "content": "one"}]}
    with streamtape.replay(library, speed="instant") as replay:
        ask(replay.base_url, body=json.dumps(body).encode())

        assert replay.summary.counts == {"replayed": 1}
        assert len(replay.summary.unused) == 1


def test_json_is_ascii_whatever_a_cassette_is_called(library: Path) -> None:
    [tape] = library.glob("two-*.tape")
    tape.rename(library / "日本.tape")

    end = ask_for(library, "one", options=("--json",))

    assert end.stdout.isascii()
    assert json.loads(end.stdout)["unused"] == ["日本"]


def test_an_upstream_that_answered_nothing_is_a_status(tmp_path: Path) -> None:
    """Whatever the command makes of it: this one takes no notice."""
    command = (sys.executable, "-c", ASK, "one")
    with listen() as gone:
        url = url_of(gone)
    end = run("record", "--upstream", url, "--cassettes", tmp_path, "--", *command)

    assert end.status == 4
    assert "Stopped: 1 failed upstream." in end.stderr


def test_a_failure_after_which_an_answer_came_is_none(tmp_path: Path) -> None:
    """SDKs ask again."""
    command = (sys.executable, "-c", ASK, "one", "one")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    def answer_the_second() -> None:
        for said in (b"", answer):
            served, _ = upstream.accept()
            with served:
                served.recv(1 << 16)
                served.sendall(said)

    with listen() as upstream:
        answering = threading.Thread(target=answer_the_second)
        answering.start()
        where = ("--upstream", url_of(upstream), "--cassettes", tmp_path)
        end = run("record", *where, "--", *command)
        answering.join()

    assert end.status == 0
    assert "Stopped: 1 failed upstream, 1 recorded." in end.stderr
