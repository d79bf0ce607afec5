"""
The report of a miss, from the library that did not have the answer.
"""

from __future__ import annotations

from dataclasses import replace

from streamtape.core.matching.key import Matched
from streamtape.core.misses.report import (
    SETTINGS_PLACE,
    MissReport,
    explain_exhausted,
    explain_miss,
)
from streamtape.core.secrecy.heads import CleanRequest
from streamtape.server.state.scopes import Scope


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
    takes = library.takes(key)
    if takes:
        return explain_exhausted(
            asked,
            seen,
            name=library.name_of(takes[0]),
            takes=len(takes),
            library=str(library.folder),
        )
    return explain_miss(
        asked,
        seen,
        library.known(),
        lambda known: library.request_of(known.path),
        rules=scope.policy.rules,
        library=str(library.folder),
        where=scope.policy.where or SETTINGS_PLACE,
    )
