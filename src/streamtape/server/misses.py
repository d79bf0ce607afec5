"""The report of a miss, from the library that did not have the answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Final

from streamtape.core.matching.key import Matched
from streamtape.core.misses.nearest import Recorded
from streamtape.core.misses.report import (
    SETTINGS_PLACE,
    MissReport,
    explain_exhausted,
    explain_miss,
)
from streamtape.core.redaction.headers import CleanRequest
from streamtape.library.index import CassetteInfo
from streamtape.library.reader import read_request
from streamtape.server.scopes import Scope


def report_miss(
    scope: Scope, asked: CleanRequest, seen: Matched, key: str
) -> MissReport:
    """
    Return why nothing in a scope answers a request. Blocks: it reads cassettes.

    Args:
        seen: Of the request, under the scope's rules.
        key: The match key of that.
    """
    report = _report(scope, asked, seen, key)
    return replace(report, recorder=scope.recorder)


def _report(scope: Scope, asked: CleanRequest, seen: Matched, key: str) -> MissReport:
    library = scope.library
    # They were looked up just now.
    takes = library.known_takes(key, with_parts=True)
    if takes:
        return explain_exhausted(
            asked,
            seen,
            name=library.name_of(takes[0]),
            takes=len(takes),
            library=str(library.folder),
        )
    return _SHARED.explain(scope, asked, seen)


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """The misses of one scope that are being explained now."""

    recorded: Recorded[CassetteInfo]
    came: int = 0
    """How many, those that were told included."""
    told: int = 0
    infos: list[CassetteInfo] = field(default_factory=list)
    """What is in the library."""
    listed: int = 0
    """How many had come when that was listed."""


class _Shared:
    """
    Explains misses one after the other, and reads each cassette once for all that
    come at the same time.

    What came into the library before a miss did is seen, and nothing is kept when
    none is left.
    """

    def __init__(self) -> None:
        self._waiting: dict[Scope, _Waiting] = {}
        self._counting = threading.Lock()
        self._explaining = threading.Lock()

    def explain(self, scope: Scope, asked: CleanRequest, seen: Matched) -> MissReport:
        """
        Explain a miss that no take has the key of. Blocks.
        """
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
                    asked,
                    seen,
                    waiting.infos,
                    waiting.recorded,
                    library=str(scope.library.folder),
                    where=scope.policy.where or SETTINGS_PLACE,
                )
        finally:
            with self._counting:
                waiting.told += 1
                if waiting.told == waiting.came:
                    del self._waiting[scope]


_SHARED: Final = _Shared()


def _recorded(scope: Scope) -> Recorded[CassetteInfo]:
    return Recorded(lambda info: read_request(info.path), rules=scope.policy.rules)
