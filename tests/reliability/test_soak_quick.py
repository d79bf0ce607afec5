"""The soak in a few seconds, and that it would find what it looks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proofs import Trials
from soak.clients import Heard
from soak.judging import MISSED, judge_live, judge_replay
from soak.replies import ask_for, make_reply, number_in
from soak.run import Soak, run_soak
from streamtape.testing import Framing, Reply, ReplyEnding, Write, raw_reply

EVENTS = tuple(Write(0, b"data: %d\n\n" % number) for number in range(10))
REPLY = raw_reply(EVENTS)
CUT = raw_reply(EVENTS, ending=ReplyEnding.CUT)
SIZE = len(REPLY.body)
HEARD = Heard(number=1, status=200, length=SIZE, is_whole=True)
BROKEN = replace(HEARD, is_whole=False)
MS = 1_000_000


@pytest.mark.case
def test_nothing_is_lost_or_wrong_under_mixed_load_and_kills(
    tmp_path: Path, trials: Trials
) -> None:
    soak = run_soak(tmp_path / "cassettes", seconds=1.5, seed=7, kill_every_s=0.8)

    trials.ran, trials.lost, trials.wrong = (
        soak.answers,
        len(soak.lost),
        len(soak.wrong),
    )
    assert (soak.lost, soak.wrong) == ([], [])
    assert soak.kills_ns
    assert soak.heard
    assert soak.replayed > len(soak.heard)


def test_a_reply_is_the_same_whoever_makes_it() -> None:
    numbers = range(100)
    replies = [make_reply(3, number) for number in numbers]

    assert replies == [make_reply(3, number_in(ask_for(number))) for number in numbers]
    assert {reply.ending for reply in replies} == set(ReplyEnding)
    assert {reply.framing for reply in replies} == set(Framing)
    assert replies != [make_reply(4, number) for number in numbers]


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        pytest.param(HEARD, REPLY, id="whole"),
        pytest.param(BROKEN, CUT, id="cut"),
        pytest.param(replace(BROKEN, length=9, has_left=True), REPLY, id="left"),
    ],
)
def test_what_is_right_is_not_found(heard: Heard, reply: Reply) -> None:
    again = replace(heard, has_left=False)

    assert judge_live(heard, reply, was_killed=False) == []
    assert judge_replay(heard, again, reply, safe_length=None) == ([], [])


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        pytest.param(replace(HEARD, stray=b"x"), REPLY, id="other-bytes"),
        pytest.param(replace(HEARD, status=502), REPLY, id="other-status"),
        pytest.param(replace(HEARD, length=9), REPLY, id="fewer-bytes"),
        pytest.param(BROKEN, REPLY, id="broken"),
        pytest.param(HEARD, CUT, id="cut-that-looks-whole"),
    ],
)
def test_what_is_wrong_live_is_found(heard: Heard, reply: Reply) -> None:
    assert len(judge_live(heard, reply, was_killed=False)) == 1


@pytest.mark.parametrize(
    ("again", "lost", "wrong"),
    [
        pytest.param(replace(HEARD, stray=b"x"), 0, 1, id="other-bytes"),
        pytest.param(replace(BROKEN, length=9), 1, 0, id="fewer-bytes"),
        pytest.param(BROKEN, 0, 1, id="broken"),
        pytest.param(Heard(number=1), 1, 0, id="nothing"),
        pytest.param(replace(HEARD, status=MISSED, stray=b"x"), 1, 0, id="missed"),
    ],
)
def test_what_is_wrong_in_a_replay_is_found(
    again: Heard, lost: int, wrong: int
) -> None:
    found = judge_replay(HEARD, again, REPLY, safe_length=None)

    assert tuple(map(len, found)) == (lost, wrong)


@pytest.mark.parametrize(
    ("safe_length", "kept", "is_lost"),
    [(9, 9, False), (17, 9, False), (18, 9, True), (SIZE, SIZE - 1, True)],
)
def test_a_kill_may_cost_only_events_that_had_just_come(
    safe_length: int, kept: int, is_lost: bool
) -> None:
    """Each event has 9 bytes."""
    again = replace(BROKEN, length=kept)

    lost, wrong = judge_replay(BROKEN, again, REPLY, safe_length=safe_length)

    assert (bool(lost), wrong) == (is_lost, [])


def test_what_had_come_by_a_time_is_known() -> None:
    heard = replace(BROKEN, arrivals=((10, 5), (20, 9), (30, 12)))

    assert [heard.length_at(time_ns) for time_ns in (9, 10, 29, 99)] == [0, 5, 9, 12]


@pytest.mark.parametrize(
    ("killed_ms", "safe_length"),
    [
        pytest.param([], None, id="never"),
        pytest.param([50], 0, id="before-anything-was-safe"),
        pytest.param([120], 5, id="meanwhile"),
        pytest.param([330], 12, id="just-behind-its-end"),
        pytest.param([400], None, id="long-behind-its-end"),
    ],
)
def test_a_kill_counts_until_all_must_be_on_the_disk(
    killed_ms: list[int], safe_length: int | None
) -> None:
    arrivals = ((10 * MS, 5), (200 * MS, 9), (210 * MS, 12))
    heard = replace(BROKEN, arrivals=arrivals, ended_ns=250 * MS, life=1)
    soak = Soak(seed=1, kills_ns=[0, *(ms * MS for ms in killed_ms)])

    kept = heard.since(min([heard.ended_ns, *soak.kills_ns[1:]]) - 100 * MS)

    assert soak.safe_length(heard) == safe_length
    assert soak.safe_length(kept) == safe_length
