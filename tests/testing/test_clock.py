from __future__ import annotations

from functools import partial

import pytest

from streamtape.testing import FakeClock


def test_the_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()

    assert clock.now_ns() == 0
    assert FakeClock(7).now_ns() == 7


def test_calls_run_in_due_order_and_see_their_due_time() -> None:
    """Ties run in the order in which they were scheduled."""
    clock = FakeClock()
    ran: list[tuple[str, int]] = []

    def note(name: str) -> None:
        ran.append((name, clock.now_ns()))

    for name, due_ns in [("c", 30), ("a", 10), ("b1", 20), ("b2", 20)]:
        clock.call_at_ns(due_ns, partial(note, name))

    clock.run()

    assert ran == [("a", 10), ("b1", 20), ("b2", 20), ("c", 30)]
    assert clock.now_ns() == 30


def test_advancing_runs_what_is_due_and_stops_there() -> None:
    clock = FakeClock()
    ran: list[int] = []
    for due_ns in (10, 20, 21):
        clock.call_at_ns(due_ns, lambda: ran.append(clock.now_ns()))

    clock.advance_to_ns(20)

    assert ran == [10, 20]
    assert clock.now_ns() == 20


def test_a_call_may_schedule_further_calls() -> None:
    clock = FakeClock()
    ran: list[int] = []

    def tick() -> None:
        ran.append(clock.now_ns())
        if len(ran) < 3:
            clock.call_at_ns(clock.now_ns() + 5, tick)

    clock.call_at_ns(5, tick)
    clock.run()

    assert ran == [5, 10, 15]


def test_a_past_due_time_runs_at_the_present() -> None:
    clock = FakeClock(100)
    ran: list[int] = []
    clock.call_at_ns(50, lambda: ran.append(clock.now_ns()))

    clock.run()

    assert ran == [100]


def test_a_cancelled_call_does_not_run_or_move_the_clock() -> None:
    clock = FakeClock()
    ran: list[str] = []
    clock.call_at_ns(10, lambda: ran.append("kept"))
    clock.call_at_ns(20, lambda: ran.append("cancelled")).cancel()

    clock.run()

    assert ran == ["kept"]
    assert clock.now_ns() == 10


def test_the_clock_does_not_go_back() -> None:
    clock = FakeClock(10)

    with pytest.raises(ValueError, match="is at 10 ns and can't go back to 9"):
        clock.advance_to_ns(9)
