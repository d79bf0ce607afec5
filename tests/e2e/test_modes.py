"""What becomes of a request in each record mode."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import Answer, ask
from streamtape.testing import INSTANT, FakeUpstream, json_reply

MODES = ["none", "once", "new_episodes", "all", "passthrough"]


def post(base_url: str, prompt: str) -> Answer:
    body = f'{{"messages":[{{"role":"user","content":"{prompt}"}}]}}'
    return ask(base_url, body=body.encode())


def outcomes(mode: str, folder: Path, upstream_url: str, *prompts: str) -> list[str]:
    """Return what each prompt's answer says became of it."""
    with streamtape.record(folder, upstream=upstream_url, mode=mode) as proxy:
        answers = [post(proxy.base_url, prompt) for prompt in prompts]
    return [answer.header("x-streamtape") or "" for answer in answers]


@pytest.mark.parametrize(
    ("mode", "when_empty", "when_filled", "kept"),
    [
        pytest.param("none", ["miss", "miss"], ["replayed", "miss"], 1, id="none"),
        pytest.param(
            "once", ["recorded", "recorded"], ["replayed", "miss"], 1, id="once"
        ),
        pytest.param(
            "new_episodes",
            ["recorded", "replayed"],
            ["replayed", "recorded"],
            2,
            id="new_episodes",
        ),
        pytest.param(
            "all", ["recorded", "recorded"], ["recorded", "recorded"], 2, id="all"
        ),
        pytest.param(
            "passthrough",
            ["forwarded", "forwarded"],
            ["forwarded", "forwarded"],
            1,
            id="passthrough",
        ),
    ],
)
def test_each_mode_does_what_its_row_says(
    mode: str, when_empty: list[str], when_filled: list[str], kept: int, tmp_path: Path
) -> None:
    """An empty library is asked the same twice; a filled one what it has, and more."""
    empty, filled = tmp_path / "empty", tmp_path / "filled"
    empty.mkdir()
    with FakeUpstream(profile=INSTANT) as upstream:
        outcomes("all", filled, upstream.url, "known")
        asked_before = len(upstream.requests)

        assert outcomes(mode, empty, upstream.url, "known", "known") == when_empty
        assert outcomes(mode, filled, upstream.url, "known", "new") == when_filled

    forwarded = [
        outcome
        for outcome in when_empty + when_filled
        if outcome in ("recorded", "forwarded")
    ]
    assert len(upstream.requests) - asked_before == len(forwarded)
    assert len(read_library(filled)) == kept


def test_what_was_recorded_once_is_replayed_in_the_next_run(tmp_path: Path) -> None:
    with FakeUpstream(profile=INSTANT) as upstream:
        assert outcomes("once", tmp_path, upstream.url, "a", "b") == ["recorded"] * 2
    assert outcomes("once", tmp_path, upstream.url, "b", "a") == ["replayed"] * 2


def test_all_replaces_what_earlier_runs_recorded(tmp_path: Path) -> None:
    """Three takes of an earlier run give way to one; other requests keep theirs."""
    with FakeUpstream([json_reply({"run": 1})]) as upstream:
        outcomes("all", tmp_path, upstream.url, "a", "a", "a", "b")
    before = {path.name for path in tmp_path.iterdir()}
    with FakeUpstream([json_reply({"run": 2})]) as upstream:
        outcomes("all", tmp_path, upstream.url, "a")

    after = {path.name for path in tmp_path.iterdir()}
    assert len(before) == 4
    assert len(after) == 2
    assert after < before
    bodies = [cassette.body for cassette in read_library(tmp_path)]
    assert bodies == [b'{"run":2}', b'{"run":1}']


def test_an_unchanged_recording_changes_nothing_but_its_times(tmp_path: Path) -> None:
    """Made again, it has the same name and the same bytes in it."""
    runs = []
    for _ in range(2):
        with FakeUpstream(profile=INSTANT) as upstream:
            outcomes("all", tmp_path, upstream.url, "a", "a", "b")
        runs.append([(one.name, one.body) for one in read_library(tmp_path)])

    assert runs[0] == runs[1]
    assert len(runs[0]) == 3


def test_a_replay_leaves_an_upstream_alone(tmp_path: Path) -> None:
    """It asks nothing even where there is one to ask."""
    with FakeUpstream(profile=INSTANT) as upstream:
        outcomes("all", tmp_path, upstream.url, "a")
        asked_before = len(upstream.requests)
        assert outcomes("none", tmp_path, upstream.url, "a", "b") == [
            "replayed",
            "miss",
        ]

        assert len(upstream.requests) == asked_before


def test_a_miss_names_the_nearest_cassette_and_what_differs(tmp_path: Path) -> None:
    with FakeUpstream(profile=INSTANT) as upstream:
        outcomes("all", tmp_path, upstream.url, "The first question", "Something else")
    with streamtape.replay(tmp_path) as replay:
        answer = post(replay.base_url, "The last question")

    assert (answer.status, answer.header("x-should-retry")) == (424, "false")
    message = json.loads(answer.body)["error"]["message"]
    assert "The nearest is the-first-question-" in message
    assert "messages[0].content" in message


@pytest.mark.parametrize("mode", MODES)
def test_the_status_page_tells_mode_and_counts(mode: str, tmp_path: Path) -> None:
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url, mode=mode) as proxy,
    ):
        outcome = post(proxy.base_url, "a").header("x-streamtape")
        status = ask(proxy.base_url, method="GET", target="/_streamtape/status")

    assert f'"mode": "{mode}"'.encode() in status.body
    assert f'"requests": {{"{outcome}": 1}}'.encode() in status.body
    assert status.header("x-streamtape") == "local"


# One request with a mode of its own


def post_in(base_url: str, prompt: str, mode: str) -> Answer:
    body = f'{{"messages":[{{"role":"user","content":"{prompt}"}}]}}'
    headers = (("x-streamtape-mode", mode),)
    return ask(base_url, body=body.encode(), headers=headers)


def test_a_request_can_ask_for_a_mode_of_its_own(tmp_path: Path) -> None:
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as proxy,
    ):
        modes = ["none", "passthrough", "new_episodes", "none", "once", "all"]
        told = [
            post_in(proxy.base_url, "Hello", mode).header("x-streamtape")
            for mode in modes
        ]

    assert told == ["miss", "forwarded", "recorded", "replayed", "recorded", "recorded"]
    for request in upstream.requests:
        assert not [name for name, _ in request.headers if "streamtape" in name.lower()]


@pytest.mark.parametrize("mode", ["record", "", "ALL"])
def test_a_mode_that_is_none_is_refused(mode: str, tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as replay:
        answer = post_in(replay.base_url, "Hello", mode)

    assert answer.status == 400
    message = json.loads(answer.body)["error"]["message"]
    assert "x-streamtape-mode: expected one of none, once" in message


def test_no_header_makes_a_replay_open_a_connection(tmp_path: Path) -> None:
    with streamtape.replay(tmp_path) as replay:
        answer = post_in(replay.base_url, "Hello", "all")

    assert answer.status == 400
    assert "this server only replays" in json.loads(answer.body)["error"]["message"]


# Several recorders in one folder


def test_recorders_of_one_folder_lose_nothing(tmp_path: Path) -> None:
    """Each of four records what the others have not: at once, and then once more."""
    prompts = [f"Question {number}" for number in range(20)]
    with FakeUpstream(profile=INSTANT) as upstream, ExitStack() as stack:
        proxies = [
            stack.enter_context(
                streamtape.record(tmp_path, upstream=upstream.url, mode="new_episodes")
            )
            for _ in range(4)
        ]
        with ThreadPoolExecutor(8) as pool:
            parallel = list(
                pool.map(
                    lambda number: post(
                        proxies[number % 4].base_url, prompts[number // 4]
                    ),
                    range(80),
                )
            )
        again = [
            post(proxy.base_url, prompt).header("x-streamtape")
            for proxy in proxies
            for prompt in prompts
        ]

    assert {answer.status for answer in parallel} == {200}
    # What one recorder had kept before another was asked is a hit there.
    assert set(again) == {"replayed"}
    recorded = [
        answer for answer in parallel if answer.header("x-streamtape") == "recorded"
    ]
    assert len(read_library(tmp_path)) == len(recorded) == len(upstream.requests)
    assert not list(tmp_path.glob("*.part"))


def test_no_rule_holds_up_what_is_only_passed_through(tmp_path: Path) -> None:
    slow = [["(a|aa)+$", "x"]]
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(
            tmp_path, upstream=upstream.url, mode="passthrough", replace=slow
        ) as proxy,
    ):
        answer = post(proxy.base_url, "a" * 50 + "!")

    assert answer.header("x-streamtape") == "forwarded"
