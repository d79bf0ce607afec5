"""A client in a fresh process, in a place: home, folder and time zone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clients.kits import Kits
from clients.table import Client
from e2e.processes import Program, start_recorder

MISS_PATIENCE_S: Final = 30
"""How long a client may take to give up when it is told of a miss."""

_PATIENCE_S: Final = 120
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMPDIR")
_KEY: Final = "sk-ant-" + "unused-" * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a client may tell about where it runs."""

    home: Path
    folder: Path
    timezone: str = "Etc/UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client's script printed, and how it ended."""

    status: int
    got: Any
    """What the client got, or its error; all that was printed if it isn't JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One client that is ready to be used."""

    client: Client
    command: Sequence[str]

    def use_all(self, base_url: str, place: Place) -> list[Told]:
        """Use the client in all of its ways."""
        return [
            self.use(base_url, place, way, prompt) for way, prompt in self.client.uses
        ]

    def use(
        self,
        base_url: str,
        place: Place,
        way: str,
        prompt: str,
        *,
        timeout_s: float = _PATIENCE_S,
    ) -> Told:
        """
        Run the client once.

        Raises:
            subprocess.TimeoutExpired: It doesn't end.
        """
        with subprocess.Popen(
            [*self.command, way, prompt],
            cwd=place.folder,
            env=_environment(base_url, place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                # What it has started would keep the pipes open.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        try:
            got = json.loads(stdout)
        except ValueError:
            got = stdout + stderr
        return Told(status=process.returncode, got=got)


def make_running(kits: Kits, client: Client) -> Running:
    """Install a client."""
    return Running(client=client, command=kits.command(client))


def make_place(folder: Path, *, timezone: str = "Etc/UTC") -> Place:
    """Make a home and a folder to work in."""
    place = Place(home=folder / "home", folder=folder / "project", timezone=timezone)
    place.home.mkdir(parents=True)
    place.folder.mkdir()
    return place


def record_all(
    running: Running, upstream: str, cassettes: Path, place: Place
) -> list[Told]:
    """Use a client in all of its ways through a recorder."""
    with start_recorder(upstream, cassettes) as recorder:
        told = running.use_all(recorder.base_url, place)
        assert recorder.stop().status == 0
    return told


def start_replay(cassettes: Path) -> Program:
    """Start a replay that loses no time and tells at its end what it was asked."""
    return Program(
        *("replay", "--cassettes", cassettes, "--port", "0"),
        *("--speed", "instant", "--json"),
    )


def count_outcomes(replay: Program) -> dict[str, int]:
    """Stop a replay, and return how many requests met which outcome."""
    counts: dict[str, int] = json.loads(replay.stop().stdout)["requests"]
    return counts


def _environment(base_url: str, place: Place) -> dict[str, str]:
    """
    Return all that any of the clients needs; nothing of the developer's own setup.
    """
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": str(place.home),
        "TZ": place.timezone,
        "NO_PROXY": "127.0.0.1",
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": _KEY,
        "OPENAI_BASE_URL": f"{base_url}/v1",
        "OPENAI_API_KEY": _KEY,
        "GOOGLE_GEMINI_BASE_URL": base_url,
        "GEMINI_API_KEY": _KEY,
        # Nothing may go anywhere but to the base URL.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
