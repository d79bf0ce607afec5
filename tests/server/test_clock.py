"""Order and logic of waiting; how exact it is, is measured by the benchmark."""

from __future__ import annotations

import asyncio
import re
import selectors
import socket
from collections.abc import Iterator

import pytest

from streamtape.server.clock import (
    SystemClock,
    new_event_loop,
    sleep_until_ns,
    wall_time,
)
from streamtape.testing import FakeClock

needs_epoll = pytest.mark.skipif(
    not hasattr(selectors, "EpollSelector"), reason="there is no epoll"
)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    running = new_event_loop()
    yield running
    running.close()


def test_timers_run_in_the_order_of_their_due_times(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """None runs before its time, by the loop's own clock."""
    ran: list[tuple[float, float]] = []
    start = loop.time()
    # Whole milliseconds, fractions of one, and times that are equal.
    offsets = [number * 0.00037 % 0.012 for number in range(60)] + [0.003] * 3

    def note(due: float) -> None:
        ran.append((due, loop.time()))

    for offset in offsets:
        loop.call_at(start + offset, note, start + offset)
    loop.call_at(start + 0.0125, loop.stop)
    loop.run_forever()

    assert [due for due, _ in ran] == sorted(start + offset for offset in offsets)
    # The loop takes what is due within a tick of its clock.
    assert all(at >= due - 1e-6 for due, at in ran)


@needs_epoll
@pytest.mark.parametrize("timeout", [None, 0, -1, 0.0003, 0.0017, 30, 30.0005])
def test_what_is_ready_is_told_whatever_the_timeout(timeout: float | None) -> None:
    from streamtape.server.clock import PreciseSelector

    near, far = socket.socketpair()
    with near, far, PreciseSelector() as selector:
        key = selector.register(near, selectors.EVENT_READ)
        far.send(b"x")

        assert selector.select(timeout) == [(key, selectors.EVENT_READ)]


@needs_epoll
@pytest.mark.parametrize("timeout", [0, -1, 0.0003, 0.0017])
def test_what_is_not_ready_is_not_told(timeout: float) -> None:
    from streamtape.server.clock import PreciseSelector

    near, far = socket.socketpair()
    with near, far, PreciseSelector() as selector:
        selector.register(near, selectors.EVENT_READ)

        assert selector.select(timeout) == []


async def test_the_system_clock_calls_back_at_a_time() -> None:
    clock = SystemClock()
    due_ns = clock.now_ns() + 1_000_000
    reached: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    clock.call_at_ns(due_ns, lambda: reached.set_result(clock.now_ns()))

    # asyncio counts in floating seconds, and takes what is due within a tick.
    assert await reached >= due_ns - 1_000


async def test_the_system_clock_never_calls_back_at_once() -> None:
    clock = SystemClock()
    called = asyncio.Event()

    clock.call_at_ns(clock.now_ns() - 1, called.set)

    assert not called.is_set()
    await called.wait()


async def turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_sleeping_ends_at_the_deadline_and_not_before() -> None:
    clock = FakeClock(100)
    async with asyncio.TaskGroup() as group:
        sleeper = group.create_task(sleep_until_ns(clock, 200))
        await turn()
        clock.advance_to_ns(199)
        await turn()
        assert not sleeper.done()

        clock.advance_to_ns(200)
        await turn()
        assert sleeper.done()


@pytest.mark.parametrize("due_ns", [99, 100])
async def test_a_deadline_that_has_passed_is_not_waited_for(due_ns: int) -> None:
    await sleep_until_ns(FakeClock(100), due_ns)


async def test_a_cancelled_sleep_takes_its_timer_back() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        sleeper = group.create_task(sleep_until_ns(clock, 100))
        await turn()
        sleeper.cancel()

    clock.run()

    assert clock.now_ns() == 0


def test_the_wall_clock_is_told_in_utc_to_the_second() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", wall_time())
