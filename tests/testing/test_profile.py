from __future__ import annotations

from itertools import pairwise

import pytest

from streamtape.testing import (
    INSTANT,
    TYPICAL,
    Profile,
    message_stream,
    text,
)

EVENTS = message_stream(text("Grüße aus Zürich, wo es “schön” ist. " * 6))
ASCII_EVENTS = message_stream(text("Nothing but plain letters in here. " * 6))


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(TYPICAL, id="typical"),
        pytest.param(INSTANT, id="instant"),
        pytest.param(Profile(joins=1), id="all-joined"),
        pytest.param(Profile(seed=9), id="another-seed"),
    ],
)
@pytest.mark.parametrize(
    "events",
    [
        pytest.param(EVENTS, id="utf-8"),
        pytest.param(ASCII_EVENTS, id="ascii"),
        pytest.param(EVENTS[:1], id="one-event"),
        pytest.param([], id="none"),
    ],
)
def test_the_writes_joined_are_the_events(
    profile: Profile, events: list[bytes]
) -> None:
    writes = profile.writes(events)

    assert b"".join(write.raw for write in writes) == b"".join(events)
    assert all(write.raw for write in writes)


def test_offsets_begin_with_the_first_token_and_never_decrease() -> None:
    offsets = [write.offset_ns for write in Profile(ttft_ns=123).writes(EVENTS)]

    assert offsets[0] == 123
    assert offsets == sorted(offsets)


def test_gaps_are_irregular_around_their_mean() -> None:
    profile = Profile(gap_ns=1_000, pause_ns=0)
    offsets = [write.offset_ns for write in profile.writes(EVENTS * 20)]
    gaps = [later - earlier for earlier, later in pairwise(offsets)]

    assert 800 < sum(gaps) / len(gaps) < 1_200
    assert min(gaps) < 100
    assert 2_500 < max(gaps) <= 3_000


def test_pauses_lengthen_some_gaps() -> None:
    profile = Profile(gap_ns=0, pause_ns=1_000_000)
    offsets = [write.offset_ns for write in profile.writes(EVENTS * 20)]
    gaps = [later - earlier for earlier, later in pairwise(offsets)]

    assert 0.03 < sum(gap > 0 for gap in gaps) / len(gaps) < 0.1


def test_one_event_is_split_inside_a_character() -> None:
    """Exactly one write ends where what came so far isn't UTF-8."""
    broken = 0
    so_far = b""
    for write in TYPICAL.writes(EVENTS):
        so_far += write.raw
        broken += so_far.decode(errors="replace").endswith("�")

    assert broken == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_first_event_is_never_split(seed: int) -> None:
    """The time to the first token is that of a whole event."""
    events = ["data: Ü\n\n".encode(), b"data: x\n\n"]

    assert Profile(seed=seed).writes(events)[0].raw.startswith(events[0])


def test_without_such_a_character_an_event_is_split_anywhere() -> None:
    writes = TYPICAL.writes(ASCII_EVENTS)

    assert sum(not write.raw.endswith(b"\n\n") for write in writes) == 1


def test_some_writes_carry_several_events_and_one_the_most_four() -> None:
    sizes = [
        write.raw.count(b"\n\n") for write in Profile(splits=False).writes(EVENTS * 20)
    ]

    assert set(sizes) == {1, 2, 3, 4}


def test_instant_writes_each_event_alone_and_at_once() -> None:
    assert INSTANT.writes(EVENTS) == tuple((0, event) for event in EVENTS)


def test_the_seed_alone_decides() -> None:
    assert Profile(seed=1).writes(EVENTS) == Profile(seed=1).writes(EVENTS)
    assert Profile(seed=1).writes(EVENTS) != Profile(seed=2).writes(EVENTS)
