"""
What a recorder doesn't get, or gets in part, costs nothing that was recorded before.

Real processes, and the SHA-256 of every file before and after.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

import streamtape
from e2e.listening import Listening, body, stalling_reply
from e2e.processes import Program, run, start_recorder, wait_until
from e2e.wire import Answer, ask
from streamtape.testing import (
    FakeUpstream,
    Reply,
    ReplyEnding,
    SeenRequest,
    json_reply,
    message_stream,
    raw_reply,
    text,
)

_NOTHING: Final = Reply(status=100, ending=ReplyEnding.CUT)
"""No head of an answer, only the end of the connection."""

_FIRST: Final = b"".join(message_stream(text("Broken off"))[:3])

pytestmark = pytest.mark.case(87)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _post(base_url: str, prompt: str = "Hi") -> Answer:
    asked = {"messages": [{"role": "user", "content": prompt}]}
    return ask(base_url, body=json.dumps(asked).encode())


def _in_turn(replies: Sequence[Reply]) -> FakeUpstream:
    """Return an API that has these answers, one a request, and nothing after them."""
    waiting: Iterator[Reply] = iter(replies)

    def answer(_: SeenRequest) -> Reply:
        return next(waiting, _NOTHING)

    return FakeUpstream(answer)


def _record(folder: Path, *prompts: str) -> dict[str, str]:
    """Record an answer to each prompt, and return the digests of the files."""
    replies = [json_reply({"old": number}) for number, _ in enumerate(prompts)]
    with (
        _in_turn(replies) as upstream,
        streamtape.record(folder, upstream=upstream.url) as proxy,
    ):
        for prompt in prompts:
            _post(proxy.base_url, prompt)
    before = _digests(folder)
    assert len(before) == len(prompts)
    return before


def _is_replaced(folder: Path, before: dict[str, str]) -> bool:
    """Whether a recording has its name, and no other is being written."""
    after = _digests(folder)
    return after != before and after.keys() == before.keys()


@pytest.mark.parametrize("mode", ["all", "new_episodes", "once", "passthrough"])
@pytest.mark.parametrize("scope", ["", "/~chat"], ids=["top", "scope"])
def test_a_recorder_whose_upstream_is_down_removes_nothing(
    mode: str, scope: str, tmp_path: Path
) -> None:
    """Not even if it is told meanwhile that a new run begins."""
    before = _record(tmp_path / scope.removeprefix("/~"), "Hi", "Hi", "Bye")
    before = _digests(tmp_path)
    with _in_turn([]) as upstream:
        url = upstream.url
    where = ("--upstream", url, "--cassettes", tmp_path, "--port", "0")
    with Program("record", *where, "--mode", mode) as recorder:
        base_url = recorder.base_url + scope
        for prompt in ("Hi", "Hi", "Bye", "New"):
            _post(base_url, prompt)
        assert ask(base_url, target="/_streamtape/reset").status == 200
        _post(base_url, "Hi")
        recorder.stop()

    assert _digests(tmp_path) == before


@pytest.mark.parametrize("ending", ["stop", "kill", "reset"])
def test_one_answer_of_three_replaces_one_take(ending: str, tmp_path: Path) -> None:
    """The other two stay to the byte, however the run ends."""
    before = _record(tmp_path, "Hi", "Hi", "Hi", "Bye")
    with (
        _in_turn([json_reply({"new": 0})]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        statuses = [_post(recorder.base_url).status for _ in range(3)]
        wait_until(lambda: _is_replaced(tmp_path, before), "it has no name")
        if ending == "reset":
            ask(recorder.base_url, target="/_streamtape/reset")
        recorder.stop(signal.SIGKILL if ending == "kill" else signal.SIGINT)

    assert statuses == [200, 502, 502]
    after = _digests(tmp_path)
    assert after.keys() == before.keys()
    assert len(after.items() - before.items()) == 1


def test_a_recorder_that_is_killed_has_removed_nothing(tmp_path: Path) -> None:
    """Earlier takes go with the end of a run, which a kill is not."""
    before = _record(tmp_path, "Hi", "Hi")
    with (
        _in_turn([json_reply({"new": 0})]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        assert _post(recorder.base_url).status == 200
        wait_until(lambda: _is_replaced(tmp_path, before), "it has no name")
        recorder.stop(signal.SIGKILL)

    assert len(before.items() & _digests(tmp_path).items()) == 1


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
def test_a_run_that_got_all_it_asked_for_leaves_no_earlier_take(
    is_reset: bool, tmp_path: Path
) -> None:
    """Of that request; those that nobody asked for stay."""
    before = _record(tmp_path, "Hi", "Hi", "Hi", "Bye")
    with (
        _in_turn([json_reply({"new": 0})]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        _post(recorder.base_url)
        if is_reset:
            ask(recorder.base_url, target="/_streamtape/reset")
            assert len(_digests(tmp_path)) == 2
        recorder.stop()

    after = _digests(tmp_path)
    assert len(after) == 2
    assert after.keys() < before.keys()
    assert len(after.items() & before.items()) == 1


@pytest.mark.parametrize(
    "ending", [ReplyEnding.EOF, ReplyEnding.CUT, ReplyEnding.RESET]
)
def test_what_the_upstream_broke_off_replaces_what_was_complete(
    ending: ReplyEnding, tmp_path: Path
) -> None:
    """It is what the upstream gave, and told as it was."""
    before = _record(tmp_path, "Hi")
    with (
        _in_turn([raw_reply(_FIRST, ending=ending)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        _post(recorder.base_url)
        recorder.stop()

    [path] = tmp_path.iterdir()
    assert [path.name] == [*before]
    assert streamtape.open(path).ending.reason == f"upstream_{ending}"


def test_a_client_that_leaves_costs_nothing_that_the_upstream_broke_off(
    tmp_path: Path,
) -> None:
    """Not only a complete answer is whole: what the client left is less than both."""
    with (
        _in_turn([raw_reply(_FIRST, ending=ReplyEnding.CUT)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        ask(recorder.base_url, body=body("Hi"))
        recorder.stop()
    before = _digests(tmp_path)
    [whole] = before
    with (
        _in_turn([stalling_reply(2)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        with Listening(recorder.base_url, "Hi"):
            pass
        assert upstream.wait_for_departure()
        recorder.stop()

    after = _digests(tmp_path)
    assert after[whole] == before[whole]
    assert [Path(name).suffix for name in after.keys() - before.keys()] == [".part"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_recorder_that_is_ended_in_an_answer_costs_nothing(
    number: signal.Signals, tmp_path: Path
) -> None:
    """What came stays a part beside what was recorded before."""
    with (
        _in_turn([stalling_reply(2)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
    ):
        with Listening(recorder.base_url, "Hi"):
            pass
        assert upstream.wait_for_departure()
        recorder.stop()
    before = _digests(tmp_path)
    with (
        _in_turn([stalling_reply(2)]) as upstream,
        start_recorder(upstream.url, tmp_path) as recorder,
        Listening(recorder.base_url, "Hi"),
    ):
        recorder.stop(number)

    after = _digests(tmp_path)
    assert before.items() <= after.items()
    assert {Path(name).suffix for name in after.keys() - before.keys()} <= {".part"}


def test_a_command_that_gets_nothing_costs_nothing(tmp_path: Path) -> None:
    """The status says so: 4 where the upstream was asked and answered nothing."""
    before = _record(tmp_path, "Hi")
    script = (
        "import os, urllib.request as u\n"
        "url = os.environ['ANTHROPIC_BASE_URL'] + '/v1/messages'\n"
        'body = b\'{"messages": [{"role": "user", "content": "Hi"}]}\'\n'
        "try:\n    u.urlopen(u.Request(url, body))\nexcept OSError:\n    pass\n"
    )
    with _in_turn([]) as upstream:
        where = ("--upstream", upstream.url, "--cassettes", tmp_path)
        finished = run("record", *where, "--", sys.executable, "-c", script)

    assert finished.status == 4
    assert _digests(tmp_path) == before


def test_recover_and_redact_change_no_file_that_they_cant_mend(tmp_path: Path) -> None:
    """Damaged, unfinished, and others beside them."""
    _record(tmp_path, "Hi", "Bye")
    [first, _] = sorted(tmp_path.iterdir())
    damaged = bytearray(first.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.tape").write_bytes(damaged)
    (tmp_path / "headless.1.part").write_bytes(first.read_bytes()[:20])
    before = _digests(tmp_path)

    statuses = [
        run("recover", tmp_path / "headless.1.part").status,
        run("recover", tmp_path / "damaged.tape", "-o", first).status,
        run("redact", tmp_path).status,
    ]

    assert statuses == [1, 2, 1]
    assert _digests(tmp_path) == before


def test_recover_leaves_what_it_recovers(tmp_path: Path) -> None:
    """A new file beside it, and not one other byte."""
    _record(tmp_path, "Hi")
    [whole] = tmp_path.iterdir()
    (tmp_path / "truncated.1.part").write_bytes(whole.read_bytes()[:-30])
    before = _digests(tmp_path)

    finished = run("recover", tmp_path / "truncated.1.part")

    assert finished.status in (0, 3)
    after = _digests(tmp_path)
    assert before.items() < after.items()
    assert after.keys() - before.keys() == {"truncated.tape"}
