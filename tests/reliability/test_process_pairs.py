"""Two recorders in one folder."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.listening import body
from e2e.processes import start_recorder
from e2e.wire import Ending, ask
from proofs import Trials
from streamtape import open as read_cassette
from streamtape.testing import FakeUpstream, Profile, stream_reply, text

REPLY = stream_reply(
    text("It was a long night at the harbour."),
    profile=Profile(ttft_ns=1_000_000, gap_ns=2_000_000, pause_ns=0),
)


@pytest.mark.case(11, 12)
def test_two_recorders_of_the_same_requests_keep_all_answers(
    trials: Trials, tmp_path: Path
) -> None:
    """They choose the same names for the same requests at the same time."""
    count = trials.many(quick=12, long=300)
    with (
        FakeUpstream([REPLY]) as upstream,
        start_recorder(upstream.url, tmp_path) as one,
        start_recorder(upstream.url, tmp_path) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = [
            (recorder.base_url, body(f"question {number}"))
            for number in range(count)
            for recorder in (one, other)
        ]
        answers = list(pool.map(lambda each: ask(each[0], body=each[1]), asked))
        ends = [one.stop(), other.stop()]

    assert {(each.body, each.ending) for each in answers} == {
        (REPLY.body, Ending.WHOLE)
    }
    assert [end.status for end in ends] == [0, 0]
    takes: Counter[bytes] = Counter()
    for path in tmp_path.iterdir():
        cassette = read_cassette(path)
        trials.ran += 1
        trials.wrong += cassette.body != REPLY.body
        assert path.suffix == ".tape"
        assert cassette.ending.is_complete
        takes[cassette.request.body] += 1
    trials.lost = 2 * count - trials.ran
    assert (trials.lost, trials.wrong) == (0, 0)
    assert set(takes.values()) == {2}
