"""
Recorders that are killed at random moments: what their clients had is on the disk.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from signal import SIGKILL
from typing import Final

import pytest

import streamtape
from e2e.listening import body
from e2e.processes import Program, start_recorder
from e2e.wire import Ending, ask, connect, raw_request
from proofs import Trials
from streamtape import Cassette
from streamtape.core.model import EndReason
from streamtape.core.sse import EventSplitter
from streamtape.server.clock import SystemClock
from streamtape.testing import (
    FakeUpstream,
    Profile,
    Reply,
    SeenRequest,
    stream_reply,
    text,
)

SEED: Final = 20_260

STREAMS: Final = 8
"""How many answers each recorder is in the middle of when it is killed."""

RECORDERS: Final = 3
"""How many run side by side."""

LONGEST_S: Final = 1.2
"""Until a recorder is killed, since its clients have asked."""

GRACE_NS: Final = 100_000_000
"""What a client has had for so long may not be lost."""

WORDS: Final = [
    "it",
    "was",
    "a",
    "long",
    "night",
    "at",
    "the",
    "harbour",
    "and",
    "nobody",
    "slept",
    "before",
    "the",
    "dawn",
]


@dataclass(slots=True)
class Client:
    """One client of a recorder that will be killed."""

    prompt: str
    reads: list[tuple[int, bytes]] = field(default_factory=list)
    """What came, and when it was read."""

    def listen(self, connection: socket.socket) -> None:
        """Read until the connection ends."""
        with connection, contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1 << 16):
                self.reads.append((SystemClock.now_ns(), data))

    def events_before(self, at_ns: int) -> list[bytes]:
        """The events that were whole until a time."""
        seen = b"".join(data for read_ns, data in self.reads if read_ns < at_ns)
        framed = seen.partition(b"\r\n\r\n")[2]
        return EventSplitter().feed(_joined_chunks(framed))


@dataclass(frozen=True, slots=True)
class Struck:
    """What a kill has left."""

    folder: Path
    clients: list[Client]
    killed_ns: int


@pytest.mark.case(1)
def test_a_killed_recorder_loses_nothing_that_its_clients_had(
    trials: Trials, tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    count = trials.many(quick=3, long=125)
    delays_s = [dice.uniform(0, LONGEST_S) for _ in range(count)]
    unreadable = []
    events = 0
    with (
        FakeUpstream(answer) as upstream,
        ThreadPoolExecutor(RECORDERS) as pool,
    ):

        def strike(number: int) -> Struck:
            return kill_midway(upstream.url, tmp_path / str(number), delays_s[number])

        for struck in pool.map(strike, range(count)):
            where = f"seed {SEED}, kill {struck.folder.name}"
            left: dict[str, Cassette] = {}
            for path in struck.folder.glob("*.*"):
                try:
                    cassette = streamtape.open(path)
                    left[prompt_of(cassette)] = cassette
                except streamtape.StreamtapeError as error:
                    unreadable.append(f"{where}: {error}")
            for client in struck.clients:
                trials.ran += 1
                cassette_or_none = left.get(client.prompt)
                kept = [] if cassette_or_none is None else raws(cassette_or_none)
                had = client.events_before(struck.killed_ns - GRACE_NS)
                events += len(had)
                trials.lost += max(0, len(had) - len(kept))
                trials.wrong += kept != sent(client.prompt)[: len(kept)]
                assert kept[: len(had)] == had, f"{where}, {client.prompt}"
            check_is_usable(struck.folder, left)

    assert unreadable == []
    assert (trials.lost, trials.wrong) == (0, 0)
    assert trials.ran == count * STREAMS
    assert events > 10 * trials.ran


def kill_midway(upstream: str, folder: Path, delay_s: float) -> Struck:
    """Kill a recorder so long after its clients have asked."""
    clients = [Client(f"{folder.name}-{number}") for number in range(STREAMS)]
    with start_recorder(upstream, folder) as recorder:
        threads = [_start(client, recorder) for client in clients]
        threading.Event().wait(delay_s)
        killed_ns = SystemClock.now_ns()
        recorder.send(SIGKILL)
        assert recorder.finish().status == -SIGKILL
    for thread in threads:
        thread.join()
    return Struck(folder, clients, killed_ns)


def check_is_usable(folder: Path, left: dict[str, Cassette]) -> None:
    """What is there plays, and breaks off where it ends."""
    with streamtape.replay(folder, speed="instant") as replay:
        for prompt, cassette in islice(left.items(), 2):
            answer = ask(replay.base_url, body=body(prompt))
            is_whole = cassette.ending.reason is EndReason.COMPLETE
            assert answer.body == cassette.body
            assert answer.ending is (Ending.WHOLE if is_whole else Ending.CLOSED)


def answer(seen: SeenRequest) -> Reply:
    """Answer each prompt with a stream of its own."""
    return reply_to(json.loads(seen.body)["messages"][0]["content"])


def reply_to(prompt: str) -> Reply:
    dice = random.Random(f"{SEED} {prompt}")
    words = " ".join(dice.choices(WORDS, k=400))
    profile = Profile(
        ttft_ns=dice.randrange(100_000_000),
        gap_ns=8_000_000,
        pause_ns=0,
        seed=dice.randrange(1000),
    )
    return stream_reply(text(words), profile=profile)


def sent(prompt: str) -> list[bytes]:
    return EventSplitter().feed(reply_to(prompt).body)


def raws(cassette: Cassette) -> list[bytes]:
    return [event.raw for event in cassette.events]


def prompt_of(cassette: Cassette) -> str:
    prompt: str = json.loads(cassette.request.body)["messages"][0]["content"]
    return prompt


def _start(client: Client, recorder: Program) -> threading.Thread:
    asked = body(client.prompt)
    lines = ("content-type: application/json", f"content-length: {len(asked)}")
    head = raw_request(recorder.base_url, "POST /v1/messages HTTP/1.1", *lines)
    connection = connect(recorder.base_url)
    connection.sendall(head + asked)
    thread = threading.Thread(target=client.listen, args=(connection,), daemon=True)
    thread.start()
    return thread


def _joined_chunks(framed: bytes) -> bytes:
    """Take a chunked body, which may stop anywhere, out of its framing."""
    joined = bytearray()
    at = 0
    while (line_end := framed.find(b"\r\n", at)) >= 0:
        size = int(framed[at:line_end], 16)
        joined += framed[line_end + 2 : line_end + 2 + size]
        at = line_end + 2 + size + 2
    return bytes(joined)
