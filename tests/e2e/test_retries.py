"""Recorded failures that a client asked again after."""

from __future__ import annotations

import json
from pathlib import Path

import anthropic
import pytest

import streamtape
from e2e.processes import run
from e2e.wire import ask
from streamtape.testing import FakeUpstream, Reply, error_reply, json_reply

BODY = b'{"messages":[{"role":"user","content":"Hello"}]}'


def overloaded(wait_s: float) -> Reply:
    return error_reply(
        529, "overloaded_error", "Overloaded", retry_after=wait_s, should_retry=True
    )


def record(folder: Path, *replies: Reply) -> None:
    with (
        FakeUpstream(replies) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        for _ in replies:
            ask(recording.base_url, body=BODY)


def test_a_fast_replay_makes_an_sdk_wait_less(tmp_path: Path) -> None:
    """At the recorded pace this would take two minutes, and the test would fail."""
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-demo",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    replies = [overloaded(60), overloaded(60), json_reply(answer)]
    with (
        FakeUpstream(replies) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        anthropic.Anthropic(
            base_url=recording.base_url, api_key="k", max_retries=0
        ) as client,
    ):
        for _ in range(2):
            with pytest.raises(anthropic.InternalServerError):
                create(client)
        create(client)

    with (
        streamtape.replay(tmp_path, speed="instant", exhausted="error") as replay,
        anthropic.Anthropic(
            base_url=replay.base_url, api_key="k", max_retries=2, timeout=20
        ) as client,
    ):
        message = create(client)

    assert message.content[0].to_dict() == {"type": "text", "text": "Hi"}
    assert replay.summary.counts == {"replayed": 3}


def create(client: anthropic.Anthropic) -> anthropic.types.Message:
    return client.messages.create(
        model="claude-demo",
        max_tokens=10,
        messages=[{"role": "user", "content": "Hello"}],
    )


def test_at_the_recorded_pace_the_wait_is_the_recorded_one(tmp_path: Path) -> None:
    record(tmp_path, overloaded(7))

    with streamtape.replay(tmp_path) as replay:
        answer = ask(replay.base_url, body=BODY)

    assert answer.header("retry-after") == "7"
    assert answer.header("retry-after-ms") is None


def test_a_request_that_asks_for_its_own_pace_gets_its_own_wait(tmp_path: Path) -> None:
    record(tmp_path, overloaded(7))

    with streamtape.replay(tmp_path) as replay:
        answer = ask(replay.base_url, body=BODY, headers=(("x-streamtape-speed", "2"),))

    assert answer.header("retry-after") == "4"
    assert answer.header("retry-after-ms") == "3500"


def test_of_an_answer_that_nobody_asks_for_again_the_header_stays(
    tmp_path: Path,
) -> None:
    """There it says something of a job, say, and no SDK waits for it."""
    record(tmp_path, json_reply({"job": 1}, headers=(("retry-after", "7"),)))

    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, body=BODY)

    assert answer.header("retry-after") == "7"
    assert answer.header("retry-after-ms") is None


def test_failures_can_be_skipped(tmp_path: Path) -> None:
    record(
        tmp_path,
        overloaded(1),
        json_reply({"n": 1}),
        overloaded(1),
        overloaded(1),
    )
    ask_three_times = (
        "import os, json, urllib.request, urllib.error\n"
        "url = os.environ['ANTHROPIC_BASE_URL'] + '/v1/messages'\n"
        "for _ in range(4):\n"
        f"    request = urllib.request.Request(url, {BODY!r})\n"
        "    try: print(urllib.request.urlopen(request).status)\n"
        "    except urllib.error.HTTPError as error: print(error.code)\n"
    )
    end = run(
        *("replay", "--cassettes", tmp_path, "--speed", "instant"),
        *("--collapse-retries", "--exhausted", "error", "--"),
        *("python3", "-c", ask_three_times),
    )

    assert end.stdout.split() == ["200", "529", "529", "424"]


def test_a_project_can_say_so_for_one_scope(tmp_path: Path) -> None:
    record(tmp_path / "chat", overloaded(1), json_reply({"n": 1}))

    with streamtape.replay(tmp_path) as replay:
        chat = replay.scope("chat", collapse_retries=True)
        answer = ask(chat.base_url, body=BODY)

    assert json.loads(answer.body) == {"n": 1}


def test_what_is_skipped_is_not_unused(tmp_path: Path) -> None:
    record(tmp_path, overloaded(1), json_reply({"n": 1}))

    with streamtape.replay(tmp_path, collapse_retries=True) as replay:
        ask(replay.base_url, body=BODY)

    assert replay.summary.unused == ()


def test_a_take_that_can_not_be_played_is_a_failure_like_others(
    tmp_path: Path,
) -> None:
    record(tmp_path, overloaded(1), json_reply({"n": 1}), json_reply({"n": 2}))
    [damaged] = tmp_path.glob("*-3.tape")
    content = bytearray(damaged.read_bytes())
    content[-60] ^= 1
    damaged.write_bytes(content)

    with streamtape.replay(
        tmp_path, collapse_retries=True, exhausted="last", speed="instant"
    ) as replay:
        answers = [ask(replay.base_url, body=BODY) for _ in range(2)]

    assert json.loads(answers[0].body) == {"n": 1}
    assert [answer.status for answer in answers] == [200, 500]
    assert replay.summary.counts == {"replayed": 1, "error": 1}
