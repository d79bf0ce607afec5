"""The same use of an API three times: straight, through a recording, from a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import streamtape
from streamtape import Cassette
from streamtape.library.library import Library
from streamtape.testing import INSTANT, Answers, FakeUpstream, Reply, SeenRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs(Generic[T]):
    """What each run gave, and what it left."""

    straight: T
    recorded: T
    replayed: T
    requests: list[SeenRequest]
    """What the upstream got while recording."""
    cassettes: list[Cassette]
    """In the order of their names, and of their takes where these are equal."""
    counts: Mapping[str, int]
    """What became of the requests in the replay."""


def run_thrice(
    use: Callable[[str], T],
    answers: Answers | Sequence[Reply] | None,
    folder: Path,
    *,
    speed: float | str = "instant",
) -> Runs[T]:
    """
    Use the upstream, a recording of it, and a replay while there is no upstream.

    Args:
        use: A function of the base URL, which returns what can be compared.
        answers: What the upstream answers; it begins anew for the recording.
        folder: Where to keep the cassettes; made if it isn't there.
        speed: That of the replay.
    """
    with FakeUpstream(answers, profile=INSTANT) as upstream:
        straight = use(upstream.url)
    with (
        FakeUpstream(answers, profile=INSTANT) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recording,
    ):
        recorded = use(recording.base_url)
    with streamtape.replay(folder, speed=speed) as replay:
        replayed = use(replay.base_url)
    return Runs(
        straight=straight,
        recorded=recorded,
        replayed=replayed,
        requests=upstream.requests,
        cassettes=read_library(folder),
        counts=replay.summary.counts,
    )


def read_library(folder: Path) -> list[Cassette]:
    """Read all cassettes of a folder, in the order of their names and takes."""
    return [streamtape.open(entry.path) for entry in Library(folder).entries()]
