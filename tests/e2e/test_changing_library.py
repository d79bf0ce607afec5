"""A library that others change while it is replayed."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

import streamtape
from e2e.wire import Answer, ask
from streamtape.testing import FakeUpstream, json_reply

PROMPTS = ("one", "two")


def post(base_url: str, prompt: str) -> Answer:
    body = {"messages": [{"role": "user", "content": prompt}]}
    return ask(base_url, body=json.dumps(body).encode())


@pytest.fixture
def tapes(tmp_path: Path) -> list[Path]:
    """Two cassettes whose answers say which question they are of."""
    replies = [json_reply({"asked": prompt}) for prompt in PROMPTS]
    folder = tmp_path / "recorded"
    with (
        FakeUpstream(replies) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        for prompt in PROMPTS:
            post(recording.base_url, prompt)
    return [next(folder.glob(f"{prompt}-*.tape")) for prompt in PROMPTS]


def test_no_answer_is_another_questions(tapes: list[Path], tmp_path: Path) -> None:
    """One file is now the one and now the other cassette, as fast as can be."""
    library = tmp_path / "library"
    library.mkdir()
    contents = [tape.read_bytes() for tape in tapes]
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            for content in contents:
                new = library / "new"
                new.write_bytes(content)
                new.replace(library / "x.tape")

    (library / "x.tape").write_bytes(contents[0])
    swapper = threading.Thread(target=swap)
    with streamtape.replay(library, speed="instant") as replay:
        swapper.start()
        try:
            answers = [post(replay.base_url, "one") for _ in range(150)]
        finally:
            is_over.set()
            swapper.join()

    assert {answer.status for answer in answers} <= {200, 424}
    told = {json.loads(each.body)["asked"] for each in answers if each.status == 200}
    assert told <= {"one"}


def test_a_cassette_that_is_not_what_it_was_is_looked_for_again(
    tapes: list[Path],
) -> None:
    """It was known by a name that is gone, and then another has the name."""
    one, two = tapes
    with streamtape.replay(one.parent, speed="instant") as replay:
        assert post(replay.base_url, "one").status == 200

        one.rename(one.with_name("moved.tape"))
        moved = post(replay.base_url, "one")
        two.replace(one.with_name("moved.tape"))
        gone = post(replay.base_url, "one")
        other = post(replay.base_url, "two")

    assert moved.header("x-streamtape-cassette") == "moved"
    assert json.loads(moved.body) == {"asked": "one"}
    assert gone.status == 424
    assert other.header("x-streamtape-cassette") == "moved"
    assert json.loads(other.body) == {"asked": "two"}


def test_a_take_that_comes_while_others_are_played_has_its_turn(
    tapes: list[Path],
) -> None:
    """When those that are known are used up."""
    folder = tapes[0].parent
    with streamtape.replay(folder, speed="instant", exhausted="error") as replay:
        assert post(replay.base_url, "one").status == 200
        assert post(replay.base_url, "one").status == 424
        shutil.copy(tapes[0], folder / f"{tapes[0].stem}-2.tape")

        assert post(replay.base_url, "one").status == 200
        assert post(replay.base_url, "one").status == 424


def test_a_name_that_is_no_text_can_be_replayed(
    tapes: list[Path], tmp_path: Path
) -> None:
    odd = os.fsdecode(b"caf\xe9.tape")
    tapes[0].rename(tapes[0].with_name(odd))

    with streamtape.replay(tapes[0].parent) as replay:
        answer = post(replay.base_url, "one")

    assert json.loads(answer.body) == {"asked": "one"}
    assert answer.header("x-streamtape-cassette") == "caf%E9"
