"""What streamtape has recorded, read back through its public interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamtape
from bench.measure import digest
from bench.streams import Stream, stream_events

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """
    One cassette: which stream it holds, when each event came, and if all are right.
    """

    stream: Stream
    offsets_ns: tuple[int, ...]
    exact: bool
    """Whether the events, joined, hash to the body that the stream has."""


def read_takes(folder: Path) -> dict[int, Take]:
    """Read every cassette below a folder, by the number of its stream."""
    takes = {}
    for path in folder.rglob("*.tape"):
        cassette = streamtape.open(path)
        stream = Stream.named_in(cassette.request.body)
        raws = [event.raw for event in cassette.events]
        takes[stream.number] = Take(
            stream=stream,
            offsets_ns=tuple(event.offset_ns for event in cassette.events),
            exact=digest(raws) == digest(stream_events(stream)),
        )
    return takes
