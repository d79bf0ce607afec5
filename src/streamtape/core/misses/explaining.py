"""
Why nothing recorded answers a request.

As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streamtape.core.matching.key import matched
from streamtape.core.misses.advice import find_advice
from streamtape.core.misses.candidates import choose_candidates, first_takes
from streamtape.core.misses.comparing import find_changes
from streamtape.core.misses.differences import SHOWN_CHARS, find_differences
from streamtape.core.misses.nearest import find_nearest
from streamtape.core.misses.report import (
    SETTINGS_PLACE,
    MissReport,
    cut_line,
    plain,
)
from streamtape.core.misses.sketches import sketch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.matching.key import Matched
    from streamtape.core.misses.candidates import C
    from streamtape.core.misses.recorded import Recorded
    from streamtape.core.model import Request

_TOLD_DIFFERENCES: Final = 3


def explain_miss(
    asked: Request,
    seen: Matched,
    known: Iterable[C],
    recorded: Recorded[C],
    *,
    library: str,
    where: str = SETTINGS_PLACE,
) -> MissReport:
    """
    Return why a request is a miss that no recorded request has the key of.

    Args:
        seen: Of the request, under the rules in force.
        known: All takes in the library, in their order.
        recorded: Reads them, under the same rules.
        library: The folder, as its user would type it.
        where: Where its user would put a rule, as in "this rule in ...".
    """
    first, rules = first_takes(known), recorded.rules
    chosen = choose_candidates(seen, first, body_bytes=len(asked.body))
    report = replace(
        _begin(asked, seen, library=library),
        compared=(len(chosen), len(first)),
        where=where,
    )
    nearest = find_nearest(sketch(seen), chosen, recorded)
    request = None if nearest is None else recorded.find_request(nearest)
    if nearest is None or request is None:
        return report
    other = matched(request, rules)
    differences = find_differences(other, seen, _TOLD_DIFFERENCES + 1)
    rule = find_advice(
        asked,
        request,
        rules,
        find_changes(other, seen),
        confuses=lambda proposed: recorded.confuses(proposed, chosen),
    )
    return replace(
        report,
        nearest=plain(nearest.name),
        differences=tuple(differences[:_TOLD_DIFFERENCES]),
        has_more=len(differences) > _TOLD_DIFFERENCES,
        rule=rule,
    )


def explain_exhausted(
    asked: Request, seen: Matched, *, name: str, takes: int, library: str
) -> MissReport:
    """
    Return why a request is a miss whose takes were all used.

    Args:
        seen: Of the request.
        name: Of the first take's cassette.
        takes: How many there are.
        library: The folder, as its user would type it.
    """
    report = _begin(asked, seen, library=library)
    return replace(report, nearest=plain(name), exhausted_takes=takes)


def describe_request(asked: Request, seen: Matched) -> str:
    """
    Return a line that tells people which request this is.
    """
    return _begin(asked, seen, library="").asked


def _begin(asked: Request, seen: Matched, *, library: str) -> MissReport:
    report = MissReport(
        request=cut_line(f"{plain(asked.method)} {plain(asked.target)}"),
        library=plain(library),
    )
    match seen.body:
        case {"model": str(model), "messages": [*messages]}:
            short = plain(model[:SHOWN_CHARS])
            return replace(report, model=short, messages=len(messages))
        case _:
            return report
