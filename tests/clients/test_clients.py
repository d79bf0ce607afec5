"""Real clients, each straight, through a recording, and from a replay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.answers import answer_any_client
from clients.kits import Kits
from clients.running import (
    MISS_PATIENCE_S,
    Place,
    Running,
    Told,
    count_outcomes,
    make_place,
    make_running,
    record_all,
    start_replay,
)
from clients.table import CLIENTS, Client
from streamtape.testing import FakeUpstream

pytestmark = pytest.mark.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A client that was recorded, with what it got."""

    running: Running
    place: Place
    cassettes: Path
    straight: list[Told]
    recorded: list[Told]


@pytest.fixture(
    scope="module",
    params=[pytest.param(client, id=client.name) for client in CLIENTS],
)
def recorded(
    request: pytest.FixtureRequest,
    kits: Kits,
    tmp_path_factory: pytest.TempPathFactory,
) -> Recorded:
    """Each client, used straight and through a recorder; its upstream is gone."""
    client: Client = request.param
    running = make_running(kits, client)
    folder = tmp_path_factory.mktemp(client.name)
    place, cassettes = make_place(folder), folder / "cassettes"
    with FakeUpstream(answer_any_client) as upstream:
        straight = running.use_all(upstream.url, place)
        return Recorded(
            running=running,
            place=place,
            cassettes=cassettes,
            straight=straight,
            recorded=record_all(running, upstream.url, cassettes, place),
        )


def test_a_client_sees_no_difference(recorded: Recorded) -> None:
    with start_replay(recorded.cassettes) as replay:
        replayed = recorded.running.use_all(replay.base_url, recorded.place)
        counts = count_outcomes(replay)

    assert recorded.straight[0].status == 0, recorded.straight[0]
    assert recorded.recorded == recorded.straight
    assert replayed == recorded.straight
    assert set(counts) == {"replayed"}


def test_a_client_that_misses_ends_soon_and_shows_why(recorded: Recorded) -> None:
    way, _ = recorded.running.client.uses[0]
    with start_replay(recorded.cassettes) as replay:
        told = recorded.running.use(
            replay.base_url,
            recorded.place,
            way,
            "Nobody has ever asked this.",
            timeout_s=MISS_PATIENCE_S,
        )
        counts = count_outcomes(replay)

    assert told.status != 0
    assert "no cassette in" in str(told.got)
    assert "The nearest is" in str(told.got)
    assert counts["miss"] >= 1
