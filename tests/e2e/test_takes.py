"""The same request several times, and what answers when the takes are used up."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import streamtape
from e2e.wire import Answer, ask
from streamtape.testing import INSTANT, FakeUpstream, Reply, json_reply


def numbered(count: int) -> list[Reply]:
    return [json_reply({"number": number}) for number in range(count)]


def post(base_url: str, prompt: str = "Hello") -> Answer:
    body = {"messages": [{"role": "user", "content": prompt}]}
    return ask(base_url, body=json.dumps(body).encode())


def number_of(answer: Answer) -> object:
    return json.loads(answer.body).get("number", answer.status)


def record(folder: Path, count: int) -> None:
    with (
        FakeUpstream(numbered(count)) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        for _ in range(count):
            post(recording.base_url)


@pytest.mark.parametrize(
    ("exhausted", "expected"),
    [
        pytest.param("cycle", [0, 1, 2, 0, 1], id="cycle"),
        pytest.param("last", [0, 1, 2, 2, 2], id="last"),
        pytest.param("error", [0, 1, 2, 424, 424], id="error"),
    ],
)
def test_takes_answer_in_the_order_in_which_they_were_recorded(
    exhausted: str, expected: list[int], tmp_path: Path
) -> None:
    record(tmp_path, 3)

    with streamtape.replay(tmp_path, exhausted=exhausted) as replay:
        numbers = [number_of(post(replay.base_url)) for _ in expected]

    assert numbers == expected


def test_more_than_nine_takes_keep_their_order(tmp_path: Path) -> None:
    record(tmp_path, 12)

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        numbers = [number_of(post(replay.base_url)) for _ in range(12)]

    assert numbers == list(range(12))


def test_a_hit_names_its_take(tmp_path: Path) -> None:
    record(tmp_path, 2)

    with streamtape.replay(tmp_path) as replay:
        names = [
            post(replay.base_url).header("x-streamtape-cassette") for _ in range(2)
        ]

    assert names[1] == f"{names[0]}-2"
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.tape" for name in names
    }


def test_a_request_whose_takes_are_used_up_is_told_so(tmp_path: Path) -> None:
    record(tmp_path, 1)

    with streamtape.replay(tmp_path, exhausted="error") as replay:
        post(replay.base_url)
        answer = post(replay.base_url)

    assert answer.header("x-streamtape") == "miss"
    assert b"used" in answer.body


def test_parallel_requests_get_a_take_each(tmp_path: Path) -> None:
    """Recorded at once and replayed at once; which client gets which is open."""
    count = 100
    with (
        FakeUpstream(numbered(count)) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        ThreadPoolExecutor(50) as pool,
    ):
        recorded = list(pool.map(post, [recording.base_url] * count))
    with (
        streamtape.replay(tmp_path, exhausted="error") as replay,
        ThreadPoolExecutor(50) as pool,
    ):
        replayed = list(pool.map(post, [replay.base_url] * count))

    for answers in (recorded, replayed):
        assert {number_of(answer) for answer in answers} == set(range(count))


def test_different_requests_come_in_any_order(tmp_path: Path) -> None:
    prompts = [f"Question {number}" for number in range(5)]
    with (
        FakeUpstream(profile=INSTANT) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        recorded = {prompt: post(recording.base_url, prompt) for prompt in prompts}
    with streamtape.replay(tmp_path, exhausted="error", speed="instant") as replay:
        for prompt in reversed(prompts):
            answer = post(replay.base_url, prompt)
            assert answer.body == recorded[prompt].body


def test_a_second_request_waits_until_the_first_is_a_cassette(tmp_path: Path) -> None:
    """In mode new_episodes what was just recorded is a hit at once."""
    with (
        FakeUpstream(numbered(20)) as upstream,
        streamtape.record(
            tmp_path, upstream=upstream.url, mode="new_episodes"
        ) as proxy,
    ):
        told = [
            post(proxy.base_url, f"Question {number // 2}").header("x-streamtape")
            for number in range(20)
        ]

    assert told == ["recorded", "replayed"] * 10
    assert len(upstream.requests) == 10
