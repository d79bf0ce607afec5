"""In one turn of the loop all clients are served before anything is recorded."""

from __future__ import annotations

import asyncio

import pytest

from streamtape.server.record import Batch


class Told:
    """A stream that notes what it is given, in a list that all streams share."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    def send(self, chunk: bytes) -> None:
        self._notes.append(f"send {self._name}{chunk.decode()}")

    def record(self, chunk: bytes, at_ns: int) -> None:
        self._notes.append(f"record {self._name}{chunk.decode()} at {at_ns}")

    def fail(self, error: Exception) -> None:
        self._notes.append(f"fail {self._name} {error}")


class Broken(Told):
    """A stream that can't send, or can't record."""

    def __init__(self, notes: list[str], *, sends: bool) -> None:
        super().__init__("broken", notes)
        self._sends = sends

    def send(self, chunk: bytes) -> None:
        if not self._sends:
            raise ValueError("not sent")

    def record(self, chunk: bytes, at_ns: int) -> None:
        raise ValueError("not recorded")


async def test_a_chunk_that_comes_alone_is_sent_at_once() -> None:
    notes: list[str] = []
    batch = Batch()

    batch.add(Told("a", notes), b"1", 7)

    assert notes == ["send a1"]
    await asyncio.sleep(0)
    assert notes == ["send a1", "record a1 at 7"]


async def test_all_clients_are_served_before_anything_is_recorded() -> None:
    notes: list[str] = []
    batch = Batch()
    a, b = Told("a", notes), Told("b", notes)

    batch.add(a, b"1", 1)
    batch.add(b, b"1", 2)
    batch.add(a, b"2", 3)
    await asyncio.sleep(0)

    assert notes == [
        "send a1",
        "send b1",
        "send a2",
        "record a1 at 1",
        "record b1 at 2",
        "record a2 at 3",
    ]


async def test_the_next_turn_begins_anew() -> None:
    notes: list[str] = []
    batch = Batch()
    stream = Told("a", notes)
    batch.add(stream, b"1", 1)
    await asyncio.sleep(0)
    notes.clear()

    batch.add(stream, b"2", 2)

    assert notes == ["send a2"]
    await asyncio.sleep(0)
    assert notes == ["send a2", "record a2 at 2"]


async def test_a_flush_before_the_turn_ends_does_all_and_leaves_nothing() -> None:
    notes: list[str] = []
    batch = Batch()
    batch.add(Told("a", notes), b"1", 1)
    batch.add(Told("b", notes), b"1", 1)

    batch.flush()

    assert notes == ["send a1", "send b1", "record a1 at 1", "record b1 at 1"]
    notes.clear()
    await asyncio.sleep(0)
    assert notes == []


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("sends", [True, False])
async def test_a_stream_that_fails_takes_no_other_with_it(
    sends: bool, is_first: bool
) -> None:
    notes: list[str] = []
    batch = Batch()
    streams = [Told("a", notes), Told("b", notes)]
    streams.insert(0 if is_first else 1, Broken(notes, sends=sends))

    for stream in streams:
        batch.add(stream, b"1", 1)
    await asyncio.sleep(0)

    failures = [note for note in notes if note.startswith("fail")]
    assert [note for note in notes if note not in failures] == [
        "send a1",
        "send b1",
        "record a1 at 1",
        "record b1 at 1",
    ]
    assert failures[-1] == "fail broken not recorded"
    assert ("fail broken not sent" in failures) is not sends
