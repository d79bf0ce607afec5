"""What a test gets: a base URL, and everything that became of its requests."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from streamtape.core.cassette import Cassette
from streamtape.core.messages.timing import Timing
from streamtape.core.misses.report import MissReport
from streamtape.core.model import Headers, Part, Request
from streamtape.core.pacing import parse_speed
from streamtape.library.reader import read_cassette
from streamtape.server.scopes import Scope
from streamtape.server.server import RunningScope, RunningServer
from streamtape.server.stats import LoggedInteraction, Tally

_PATIENCE_S: Final = 1.0
"""For an answer whose client has all of it; one that was left open takes longer."""


class ClientRequest:
    """One request of the code under test, with secrets left out."""

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.path = request.path
        """Without the query and the scope."""
        self.target = request.target
        self.headers: Headers = request.headers
        self.body = request.body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.method} {self.target}, {len(self.body)} bytes>"


class Interaction:
    """One request that was answered from a cassette, or became one."""

    def __init__(self, request: Request, outcome: str, path: Path) -> None:
        self.request = ClientRequest(request)
        self.outcome = outcome
        """``replayed`` or ``recorded``."""
        self.path = path
        """The cassette's file."""

    @property
    def told(self) -> str:
        """The outcome, by the name that it had first."""
        return self.outcome

    @cached_property
    def cassette(self) -> Cassette:
        """The whole cassette."""
        return read_cassette(self.path)

    @property
    def timing(self) -> Timing:
        """How fast the answer was when it was recorded."""
        return self.cassette.timing

    @property
    def events(self) -> tuple[Part, ...]:
        """The events with their recorded offsets."""
        return self.cassette.events

    @property
    def text(self) -> str:
        """The text that was generated."""
        return self.cassette.text

    @property
    def final_message(self) -> dict[str, Any] | None:
        """The message as an SDK would have it in the end, or None if there is none."""
        return self.cassette.final_message()

    @property
    def status(self) -> int | None:
        """The status of the answer; None where none came."""
        response = self.cassette.response
        return None if response is None else response.status

    def __repr__(self) -> str:
        return f"<{self.outcome} {self.path.stem}: {self.request!r}>"


class TestCassettes:
    """The requests of one test, and the server that answers them from its cassettes."""

    __test__ = False
    """Tells pytest that it is no test, in modules that import it for its type."""

    def __init__(
        self, server: RunningServer, scope: Scope, name: str, cassettes: Path
    ) -> None:
        self._server = server
        self._scope = scope
        self._address = RunningScope(server, name)
        self.cassettes = cassettes
        """The folder of this test's cassettes."""

    @property
    def base_url(self) -> str:
        """What to set as a client's base URL, without ``/v1``."""
        return self._address.base_url

    @property
    def env(self) -> dict[str, str]:
        """What leads the SDKs of a subprocess to this test's cassettes."""
        env = self._address.env
        env["OPENAI_BASE_URL"] = f"{self.base_url}/v1"
        if "ANTHROPIC_API_KEY" in env:
            env["OPENAI_API_KEY"] = env["ANTHROPIC_API_KEY"]
        return env

    @property
    def mode(self) -> str:
        """The record mode of this test."""
        return self._scope.policy.mode.value

    @property
    def requests(self) -> list[ClientRequest]:
        """All requests so far, in the order in which they came."""
        return [ClientRequest(interaction.request) for interaction in self._log()]

    @property
    def interactions(self) -> list[Interaction]:
        """
        Those that were answered from a cassette or became one, in the same order.

        Waits for what is being written, and up to a second for answers that run.
        """
        self.settle()
        return [
            Interaction(interaction.request, interaction.outcome, interaction.path)
            for interaction in self._log()
            if interaction.path is not None
        ]

    @property
    def misses(self) -> list[MissReport]:
        """Why requests were not answered, each request once."""
        return list(self._scope.tally.misses.values())

    @property
    def tally(self) -> Tally:
        """Counts, and what they count."""
        return self._scope.tally

    def set_speed(self, speed: float | str) -> None:
        """
        Replay at another pace what comes from now on.

        Args:
            speed: 1 for the recorded pace, 10 for ten times as fast, or ``instant``.

        Raises:
            UsageError: It is none of these.
        """
        policy = self._scope.policy
        pacing = replace(policy.pacing, speed=parse_speed(str(speed)))
        self._scope.policy = replace(policy, pacing=pacing)

    def settle(self) -> None:
        """
        Wait until all that was asked is known: what was answered was also counted,
        and what was recorded is a cassette.
        """
        self._scope.running.wait(_PATIENCE_S)
        self._server.settle()

    def unused(self) -> list[str]:
        """
        Return the names of cassettes in the folder that were not asked for, sorted.
        """
        library = self._scope.library
        return sorted(
            library.name_of(entry.path).encode(errors="backslashreplace").decode()
            for entry in library.entries()
            if entry.path not in self._scope.tally.used and not entry.is_part
        )

    def _log(self) -> list[LoggedInteraction]:
        return list(self._scope.tally.log or ())

    def __repr__(self) -> str:
        return f"<streamtape {self.mode}: {self.base_url}, {self.cassettes}>"
