"""Misses in a library that is a list of requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamtape.core.matching.key import DEFAULT_RULES, match_input_of
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.nearest import Recorded
from streamtape.core.misses.report import MissReport, explain_miss
from streamtape.core.model import Request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError


@dataclass(frozen=True)
class CassetteInfo:
    name: str
    request: Request | None
    size_bytes: int = 1

    @property
    def stem(self) -> str:
        return self.name


def read(known: CassetteInfo) -> Request:
    if known.request is None:
        raise CassetteError("is damaged")
    return known.request


def explain(
    asked: Request,
    known: Iterable[CassetteInfo],
    *,
    rules: Rules = DEFAULT_RULES,
    library: str = "cassettes",
) -> MissReport:
    recorded = Recorded(read, rules=rules)
    return explain_miss(
        asked,
        match_input_of(asked, rules),
        known,
        recorded,
        library=library,
        secrets=Secrets(),
    )
