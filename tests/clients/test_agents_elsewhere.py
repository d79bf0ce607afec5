"""Agents that were recorded in one place and are replayed in another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clients.answers import answer_any_client
from clients.kits import Kits
from clients.running import (
    count_outcomes,
    make_place,
    make_running,
    record_all,
    start_replay,
)
from clients.table import AGENTS, Client
from streamtape.testing import FakeUpstream

pytestmark = pytest.mark.clients

# It is never the same day in these two, which are 26 hours apart.
_EARLIEST, _LATEST = "Pacific/Kiritimati", "Etc/GMT+12"


def make_repository(folder: Path) -> None:
    """Make a git repository with one commit, and a file that is in none."""
    who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.com")
    for command in (
        ("init", "--quiet", "--initial-branch=trunk"),
        (*who, "commit", "--quiet", "--allow-empty", "--message=Begin"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "new.txt").write_text("Not committed yet.")


@pytest.mark.parametrize(
    "client", [pytest.param(client, id=client.name) for client in AGENTS]
)
def test_an_agent_hits_in_another_folder_home_git_state_and_day(
    client: Client, kits: Kits, tmp_path: Path
) -> None:
    running = make_running(kits, client)
    here = make_place(tmp_path / "here", timezone=_LATEST)
    there = make_place(tmp_path / "some where" / "else_1.0", timezone=_EARLIEST)
    make_repository(there.folder)
    cassettes = tmp_path / "cassettes"

    with FakeUpstream(answer_any_client) as upstream:
        recorded = record_all(running, upstream.url, cassettes, here)
    with start_replay(cassettes) as replay:
        replayed = running.use_all(replay.base_url, there)
        counts = count_outcomes(replay)

    assert recorded[0].status == 0, recorded[0]
    assert replayed == recorded
    assert set(counts) == {"replayed"}
