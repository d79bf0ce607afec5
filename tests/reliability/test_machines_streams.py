"""The splitter of events and the takes, used in any order, against simple models."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from proofs import Trials
from streamtape.core.matching.takes import Exhausted, Takes
from streamtape.core.sse import EventSplitter, parse_event

PIECES = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"data", b":", b" ", b"x", b"\xef\xbb\xbf", b"\xc3"]
    ),
    max_size=8,
).map(b"".join)

BLANK_LINE = re.compile(rb"(\n\r?\n|\r\r|\n\r)\Z")


class Splitting(RuleBasedStateMachine):
    """Two splitters get the same stream, one of them byte by byte."""

    @initialize(longest_bytes=st.sampled_from([2**30, 2**30, 7]))
    def start(self, longest_bytes: int) -> None:
        self.longest_bytes = longest_bytes
        self.stream = b""
        self.events: list[bytes] = []
        self.by_byte: list[bytes] = []
        self.splitter = EventSplitter(longest_bytes=longest_bytes)
        self.slow = EventSplitter(longest_bytes=longest_bytes)

    @rule(chunk=PIECES)
    def feed(self, chunk: bytes) -> None:
        self.stream += chunk
        self.events += self.splitter.feed(chunk)
        for at in range(len(chunk)):
            self.by_byte += self.slow.feed(chunk[at : at + 1])

    @invariant()
    def no_byte_is_lost(self) -> None:
        for events, splitter in (
            (self.events, self.splitter),
            (self.by_byte, self.slow),
        ):
            assert b"".join(events) + splitter.rest == self.stream
            assert max(map(len, [*events, splitter.rest])) <= self.longest_bytes

    @invariant()
    def the_chunks_make_no_difference(self) -> None:
        if self.longest_bytes > 7:
            assert self.events == self.by_byte

    @invariant()
    def every_event_ends_in_a_blank_line(self) -> None:
        for event in self.events:
            parse_event(event)
            if self.longest_bytes > 7:
                assert BLANK_LINE.search(event)


class Taking(RuleBasedStateMachine):
    """The model lists, for each key, which takes were given out."""

    KEYS = st.sampled_from("aaab")

    @initialize(exhausted=st.sampled_from(Exhausted))
    def start(self, exhausted: Exhausted) -> None:
        self.exhausted = exhausted
        self.takes = Takes(exhausted)
        self.counts = {"a": 0, "b": 0}
        self.given: dict[str, list[int]] = {"a": [], "b": []}

    @rule(key=KEYS, more=st.integers(1, 3))
    def record(self, key: str, more: int) -> None:
        self.counts[key] += more

    @rule(key=KEYS, times=st.integers(1, 4))
    def take(self, key: str, times: int) -> None:
        for _ in range(times):
            self.take_one(key)

    def take_one(self, key: str) -> None:
        count, given = self.counts[key], self.given[key]
        index = self.takes.next(key, count)
        expected = given[-1] + 1 if given else 0
        if expected >= count:
            if count == 0 or self.exhausted is Exhausted.ERROR:
                assert index is None
                return
            expected = count - 1 if self.exhausted is Exhausted.LAST else 0
        assert index == expected
        given.append(expected)

    @rule(key=KEYS)
    def give_back(self, key: str) -> None:
        given = self.given[key]
        if given and (len(given) == 1 or given[-1] == given[-2] + 1):
            self.takes.give_back(key)
            given.pop()

    @rule()
    def reset(self) -> None:
        self.takes.reset()
        self.given = {"a": [], "b": []}


def run(machine: type[RuleBasedStateMachine], trials: Trials) -> None:
    examples = trials.many(quick=60, long=1_500)
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=20)
    )
    trials.ran += examples


@pytest.mark.case(37)
def test_a_stream_is_cut_alike_however_it_is_fed(trials: Trials) -> None:
    run(Splitting, trials)


def test_takes_are_given_out_in_order_whatever_happens_between(trials: Trials) -> None:
    run(Taking, trials)
