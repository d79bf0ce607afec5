"""
A request that was let in, and what matching makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from streamtape.core.matching.encodings import decode_body
from streamtape.core.matching.key import DEFAULT_RULES, Matched, matched, request_key
from streamtape.core.model import Request
from streamtape.core.modes import RecordMode
from streamtape.core.secrecy.heads import CleanRequest, clean_request
from streamtape.core.secrecy.secrets import remember_request
from streamtape.server.config import Policy
from streamtape.server.state.scope import Scope
from streamtape.server.state.tally import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A request that was let in, read to its end.
    """

    request: Request
    web_request: web.BaseRequest
    scope: Scope
    policy: Policy
    """That of the scope, with what the request itself asks for."""
    own_url: str
    """Our base URL as this client knows it."""
    arrived_ns: int
    """When its last byte was here, on the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    A request as matching sees it.
    """

    clean: CleanRequest
    seen: Matched | None
    """None where nothing is looked for, so that no rule holds a request up."""
    key: str
    """The match key under the scope's rules."""
    has_default_rules: bool
    exchange: Exchange
    """Where to note what becomes of it."""

    @property
    def default_key(self) -> str:
        """
        The match key under the default rules, which a cassette holds.
        """
        return self.key if self.has_default_rules else request_key(self.clean)


def read_question(asked: Asked, *, limit_bytes: int) -> Question:
    """
    Redact a request, and find out what its key is.

    The secrets in its headers are known from then on.

    Args:
        limit_bytes: How long the body may be without its encoding.

    Raises:
        UsageError: A pattern of the project takes too long on it.
    """
    remember_request(asked.request)
    clean = clean_request(decode_body(asked.request, limit_bytes=limit_bytes))
    rules = asked.policy.rules
    seen = None
    if asked.policy.mode is not RecordMode.PASSTHROUGH:
        seen = matched(clean, rules)
    key = "" if seen is None else seen.key
    return Question(
        clean=clean,
        seen=seen,
        key=key,
        has_default_rules=rules == DEFAULT_RULES,
        exchange=asked.scope.tally.begin(clean, key),
    )
