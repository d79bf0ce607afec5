"""The report of a miss, from the library that did not have the answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from streamtape.core.matching.key import MatchInput
from streamtape.core.misses.nearest import Recorded
from streamtape.core.misses.report import (
    SETTINGS_PLACE,
    MissReport,
    explain_exhausted,
    explain_miss,
)
from streamtape.core.redaction.headers import CleanRequest
from streamtape.core.redaction.secrets import Secrets
from streamtape.library.index import CassetteInfo
from streamtape.library.reader import read_request
from streamtape.server.scopes import Scope


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """The misses of one scope that are being explained now."""

    recorded: Recorded[CassetteInfo]
    came: int = 0
    """How many, those that were explained included."""
    explained: int = 0
    infos: list[CassetteInfo] = field(default_factory=list)
    """What is in the library."""
    listed: int = 0
    """How many had come when that was listed."""


class MissExplainer:
    """
    Explains misses one after the other, and reads each cassette once for all that
    come at the same time.

    What came into the library before a miss did is seen, and nothing is kept when
    none is left. For use by several threads.

    Args:
        secrets: What to keep out of the reports.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._waiting: dict[Scope, _Waiting] = {}
        self._counting = threading.Lock()
        self._explaining = threading.Lock()

    def explain(
        self, scope: Scope, context: CleanRequest, match_input: MatchInput
    ) -> MissReport:
        """
        Return why nothing in a scope answers a request. Blocks: it reads cassettes.

        Args:
            match_input: Of the request, under the scope's rules.
        """
        library = scope.library
        # They were looked up just now.
        if takes := library.known_takes(match_input.key, with_parts=True):
            report = explain_exhausted(
                context,
                match_input,
                name=library.name_of(takes[0]),
                takes=len(takes),
                library=str(library.folder),
                secrets=self._secrets,
            )
        else:
            report = self._compare(scope, context, match_input)
        return replace(report, recorder=scope.recorder)

    def _compare(
        self, scope: Scope, context: CleanRequest, match_input: MatchInput
    ) -> MissReport:
        with self._counting:
            if (waiting := self._waiting.get(scope)) is None:
                waiting = self._waiting[scope] = _Waiting(recorded=_recorded(scope))
            waiting.came += 1
            number = waiting.came
        try:
            with self._explaining:
                if waiting.listed < number:
                    waiting.listed = waiting.came
                    waiting.infos = scope.library.infos()
                return explain_miss(
                    context,
                    match_input,
                    waiting.infos,
                    waiting.recorded,
                    library=str(scope.library.folder),
                    secrets=self._secrets,
                    where=scope.policy.where or SETTINGS_PLACE,
                )
        finally:
            with self._counting:
                waiting.explained += 1
                if waiting.explained == waiting.came:
                    del self._waiting[scope]


def _recorded(scope: Scope) -> Recorded[CassetteInfo]:
    return Recorded(lambda info: read_request(info.path), rules=scope.policy.rules)
