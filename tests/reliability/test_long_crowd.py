"""200 streams at once: each client gets its own, and so does each cassette."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Final

import pytest

from e2e.processes import start_recorder, start_replay
from e2e.runs import read_library
from e2e.wire import Answer, Ending, ask
from proofs import Trials
from streamtape.testing import FakeUpstream, Profile, Reply, SeenRequest, stream_reply
from streamtape.testing import text as said

STREAMS: Final = 200
_MS: Final = 1_000_000


def reply_to(prompt: str) -> Reply:
    """A stream of its own for each prompt, which lasts as long as the others'."""
    profile = Profile(ttft_ns=200 * _MS, gap_ns=20 * _MS, pause_ns=0, seed=len(prompt))
    return stream_reply(said(f"{prompt}: " * 12), profile=profile)


def asked(number: int) -> bytes:
    messages = [{"role": "user", "content": f"Stream {number}"}]
    return json.dumps({"model": "m", "stream": True, "messages": messages}).encode()


def answer(seen: SeenRequest) -> Reply:
    return reply_to(seen.json["messages"][0]["content"])


def ask_all(base_url: str) -> list[Answer]:
    """Ask for all streams at the same moment."""
    ready = Barrier(STREAMS)

    def ask_one(number: int) -> Answer:
        ready.wait()
        return ask(base_url, body=asked(number))

    with ThreadPoolExecutor(STREAMS) as pool:
        return list(pool.map(ask_one, range(STREAMS)))


@pytest.mark.case(59)
def test_two_hundred_streams_at_once_are_exact(tmp_path: Path, trials: Trials) -> None:
    bodies = [reply_to(f"Stream {number}").body for number in range(STREAMS)]
    with FakeUpstream(answer) as upstream:
        for _ in range(trials.many(quick=1, long=5)):
            with start_recorder(upstream.url, tmp_path) as recorder:
                recorded = ask_all(recorder.base_url)
                assert recorder.stop().status == 0
            with start_replay(tmp_path) as replay:
                replayed = ask_all(replay.base_url)
                assert replay.stop().status == 0
            kept = [cassette.body for cassette in read_library(tmp_path)]
            trials.ran += STREAMS
            trials.lost += STREAMS - len(kept)
            for heard in (recorded, replayed):
                trials.wrong += sum(
                    (each.body, each.ending) != (body, Ending.WHOLE)
                    for each, body in zip(heard, bodies, strict=True)
                )
            trials.wrong += sorted(kept) != sorted(bodies)

    assert (trials.lost, trials.wrong) == (0, 0)
