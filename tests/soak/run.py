"""
A soak: mixed load with random faults, in which every body is compared.

Clients ask a recorder, which is killed now and then, while others ask a replay of the
same folder. In the end a fresh replay is asked for everything that was recorded.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

from e2e.processes import wait_until
from soak.clients import Heard, Manner, hear, send_junk
from soak.judging import MISSED, judge_live, judge_replay
from soak.proxies import (
    CACHE_BYTES,
    MOST_DESCRIPTORS,
    MOST_GROWTH_BYTES,
    KilledRecorder,
    Watched,
    start_replay,
)
from soak.replies import make_reply, number_in
from streamtape.server.clock import SystemClock
from streamtape.testing import FakeUpstream
from usage import MIB

_RECORDING_CLIENTS: Final = 8
_REPLAYING_CLIENTS: Final = 2

_SAFE_NS: Final = 100_000_000
"""How old an event is, at a kill, that has to be on the disk."""

_MANNERS: Final = (Manner.READ, Manner.READ, Manner.READ, Manner.DAWDLE, Manner.LEAVE)

Progress = Callable[[str], None]
"""Gets a line that says how far it is, now and then."""


@dataclass(slots=True, kw_only=True)
class Soak:
    """What a soak has done so far, and every difference that it found."""

    seed: int
    heard: list[Heard] = field(default_factory=list)
    """Answers of the recorder that a cassette is expected of."""
    junk: int = 0
    replayed: int = 0
    kills_ns: list[int] = field(default_factory=list)
    """When the recorder was killed, on the monotonic clock."""
    growth_bytes: int = 0
    """Of the process that grew most."""
    lost: list[str] = field(default_factory=list)
    """What a recorder had to keep and a replay did not give."""
    wrong: list[str] = field(default_factory=list)
    """Bytes that are not the upstream's, untrue ends, and growth."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost or wrong."""
        return not (self.lost or self.wrong)

    def safe_length(self, heard: Heard) -> int | None:
        """
        Return how much of an answer was safe when the recorder was killed.

        None if it lived on, or long enough to have all of it on the disk.
        """
        for killed_ns in self.kills_ns[heard.life : heard.life + 1]:
            safe_ns = killed_ns - _SAFE_NS
            if heard.ended_ns > safe_ns:
                return heard.length_at(safe_ns)
        return None

    @property
    def answers(self) -> int:
        """How many answers were compared."""
        return len(self.heard) + self.replayed

    def __str__(self) -> str:
        """Say all of it in a line."""
        return (
            f"seed {self.seed}: {self.answers:,} answers, {len(self.heard):,} recorded "
            f"and {self.replayed:,} replayed, {self.junk:,} times junk, "
            f"{len(self.kills_ns)} kills, grew by {self.growth_bytes / MIB:.0f} MiB; "
            f"{len(self.lost)} lost, {len(self.wrong)} wrong"
        )


def run_soak(
    folder: Path,
    *,
    seconds: float,
    seed: int,
    kill_every_s: float = 10.0,
    progress: Progress = lambda _: None,
) -> Soak:
    """
    Soak for some time, then replay all of it.

    Args:
        folder: For the cassettes; empty.
        seconds: How long the load lasts; the replay of all comes on top.
        seed: Decides on all that is sent, but not on how it meets.
        kill_every_s: The mean time between two kills.
    """
    soak = Soak(seed=seed)
    with (
        FakeUpstream(lambda seen: make_reply(seed, number_in(seen.body))) as upstream,
        KilledRecorder(upstream.url, folder) as recorder,
    ):
        soak.kills_ns = recorder.kills_ns
        with start_replay(folder) as replay:
            load = _Load(soak, recorder, replay)
            load.run(seconds, kill_every_s, progress)
            _check_replay(soak, replay)
        load.settle()
        if recorder.stop() != 0:
            soak.wrong.append("the recorder did not end in good order")
        _check_growth(soak, "the recorder", recorder.growth_bytes, MOST_GROWTH_BYTES)
    with start_replay(folder) as replay:
        _replay_all(soak, replay, progress)
        _check_replay(soak, replay)
    return soak


class _Load:
    """The clients of both proxies, and who kills one of them."""

    def __init__(self, soak: Soak, recorder: KilledRecorder, replay: Watched) -> None:
        self._soak = soak
        self._recorder = recorder
        self._replay = replay
        self._numbers = itertools.count()
        self._is_over = threading.Event()

    def run(self, seconds: float, kill_every_s: float, progress: Progress) -> None:
        """Keep all of them at it for some time."""
        dice = Random(f"{self._soak.seed}/load")
        tasks: list[Callable[[Random], None]] = [
            *[self._record_next] * _RECORDING_CLIENTS,
            *[self._replay_one] * _REPLAYING_CLIENTS,
        ]
        end_ns = SystemClock.now_ns() + round(seconds * 1e9)
        with ThreadPoolExecutor(len(tasks)) as pool:
            for number, task in enumerate(tasks):
                pool.submit(self._repeat, task, Random(f"{self._soak.seed}/{number}"))
            try:
                while (left_s := (end_ns - SystemClock.now_ns()) / 1e9) > 0:
                    wait_s = min(left_s, dice.uniform(0.5, 1.5) * kill_every_s)
                    self._watch(wait_s, left_s, progress)
                    if wait_s < left_s:
                        self._recorder.kill()
            finally:
                self._is_over.set()

    def settle(self) -> None:
        """Wait until the recorder has let go of all clients that have gone."""
        recorder = self._recorder.current
        with suppress(TimeoutError):
            wait_until(
                lambda: recorder.more_descriptors <= MOST_DESCRIPTORS, "all are closed"
            )
            return
        self._soak.wrong.append(f"{recorder.more_descriptors} more files are open")

    def _watch(self, wait_s: float, left_s: float, progress: Progress) -> None:
        end_ns = SystemClock.now_ns() + round(wait_s * 1e9)
        while (waits_s := (end_ns - SystemClock.now_ns()) / 1e9) > 0:
            progress(f"{left_s - wait_s + waits_s:.0f} s left, {self._soak}")
            self._is_over.wait(min(1.0, waits_s))

    def _repeat(self, task: Callable[[Random], None], dice: Random) -> None:
        while not self._is_over.is_set():
            try:
                task(dice)
            except Exception as error:
                what = f"a client failed in {task.__name__}: {error!r}"
                self._soak.wrong.append(what)

    def _record_next(self, dice: Random) -> None:
        base_url, kills = self._recorder.find()
        if dice.random() < 0.1:
            # A recorder that is killed now may leave the junk as it likes.
            with suppress(ConnectionError):
                send_junk(base_url, dice)
            self._soak.junk += 1
            return
        number = next(self._numbers)
        reply = make_reply(self._soak.seed, number)
        heard = hear(base_url, number, reply, manner=dice.choice(_MANNERS), dice=dice)
        killed_ns = self._recorder.kills_ns[kills : kills + 1]
        self._soak.wrong += judge_live(heard, reply, was_killed=bool(killed_ns))
        # It may be killed just after the end of the answer, too.
        kept = heard.since(min([heard.ended_ns, *killed_ns]) - _SAFE_NS)
        self._soak.heard.append(replace(kept, life=kills))

    def _replay_one(self, dice: Random) -> None:
        if not self._soak.heard:
            self._is_over.wait(0.01)
            return
        heard = dice.choice(self._soak.heard)
        again = _hear_again(self._soak, self._replay, heard)
        if again.status != MISSED:
            # Else it may get its name in this moment; all are asked for in the end.
            _judge(self._soak, heard, again)


def _replay_all(soak: Soak, replay: Watched, progress: Progress) -> None:
    def judged(heard: Heard) -> None:
        _judge(soak, heard, _hear_again(soak, replay, heard))
        progress(f"replaying: {soak}")

    with ThreadPoolExecutor(4) as pool:
        # An exception comes out only where results are taken.
        list(pool.map(judged, soak.heard))


def _hear_again(soak: Soak, replay: Watched, heard: Heard) -> Heard:
    reply = make_reply(soak.seed, heard.number)
    dice = Random(heard.number)
    return hear(
        replay.base_url,
        heard.number,
        reply,
        manner=Manner.READ,
        dice=dice,
        is_replay=True,
    )


def _judge(soak: Soak, heard: Heard, again: Heard) -> None:
    soak.replayed += 1
    reply = make_reply(soak.seed, heard.number)
    safe_length = soak.safe_length(heard)
    lost, wrong = judge_replay(heard, again, reply, safe_length=safe_length)
    soak.lost += lost
    soak.wrong += wrong


def _check_replay(soak: Soak, replay: Watched) -> None:
    most_bytes = MOST_GROWTH_BYTES + CACHE_BYTES
    _check_growth(soak, "the replay", replay.growth_bytes, most_bytes)


def _check_growth(soak: Soak, who: str, growth_bytes: int, most_bytes: int) -> None:
    soak.growth_bytes = max(soak.growth_bytes, growth_bytes)
    if growth_bytes > most_bytes:
        grew = f"{growth_bytes / MIB:.0f} MiB"
        soak.wrong.append(f"{who} grew by {grew}, expected {most_bytes / MIB:.0f}")
