"""
When two requests are the same: what the key sees of a request, and the key.

The key sees method, path, query and body, and no header but those that the rules
name. Whatever changes what it sees belongs here, so that the key and what a miss
says change together. A new default needs a new :data:`KEY_VERSION`.

All functions here want the redacted request, or else a replay with another API
key would never match.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from streamtape.core.matching.body import BodyKind, read_body
from streamtape.core.matching.presets import apply_preset
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.tool_ids import rename_tool_ids

if TYPE_CHECKING:
    from streamtape.core.matching.replace import Replacer
    from streamtape.core.model import Headers, Request

KEY_VERSION: Final = 1
"""Counts the changes of the key under the default rules; cassettes hold both."""

DEFAULT_RULES: Final = Rules()

_UNMATCHED_QUERY: Final = frozenset({"beta"})
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What the key sees of a request, all in the types of JSON."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    """Sorted pairs, percent-decoded."""
    headers: dict[str, object]
    """The values of those that the rules name, None where one wasn't sent."""
    kind: BodyKind
    body: Any

    @property
    def key(self) -> str:
        """The match key, 64 hex digits: equal for requests that ask the same."""
        seen = [self.method, self.path, self.query, self.headers, self.kind, self.body]
        return hashlib.sha256(canonical_json(seen).encode()).hexdigest()


def matched(request: Request, rules: Rules = DEFAULT_RULES) -> Matched:
    """
    Return what the key sees of a request.

    Neither the order of JSON keys and query parameters nor the spelling of
    numbers, strings, queries and multipart boundaries is in it.

    Raises:
        UsageError: A pattern of the rules takes too long, or all of them together,
            or their paths look at too much.
    """
    kind, body = read_body(request)
    if kind is BodyKind.JSON:
        body = apply_preset(rules.preset, request, _without_unmatched(body))
        if rules.rename_ids:
            body = rename_tool_ids(body)
    if paths := rules.ignored_paths:
        from streamtape.core.matching.paths import ignore_paths

        body = ignore_paths(body, paths, size_bytes=len(request.body))
    replacer = rules.replacer()
    query = _query(request.target.partition("?")[2], rules, replacer)
    return Matched(
        method=request.method,
        path=request.path,
        query=query,
        headers=_headers(request.headers, rules, replacer),
        kind=kind,
        body=replacer.replace(body),
    )


def request_key(request: Request, rules: Rules = DEFAULT_RULES) -> str:
    """Return the match key of a request, 64 hex digits."""
    return matched(request, rules).key


def canonical_json(value: object) -> str:
    """Write a JSON value in ASCII with sorted keys and no spaces."""
    return _ENCODER.encode(value)


def _without_unmatched(body: Any) -> Any:
    """Leave out what says who asks, and what is the same as not being there."""
    if not isinstance(body, dict):
        return body
    kept = {key: body[key] for key in body if key != "metadata"}
    if kept.get("stream") is False:
        del kept["stream"]
    return kept


def _query(query: str, rules: Rules, replacer: Replacer) -> tuple[tuple[str, str], ...]:
    ignored = _UNMATCHED_QUERY | rules.ignored_parameters
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return tuple(
        sorted(
            (name, replacer.replace(value))
            for name, value in pairs
            if name not in ignored
        )
    )


def _headers(headers: Headers, rules: Rules, replacer: Replacer) -> dict[str, object]:
    seen: dict[str, object] = {}
    for name in map(str.lower, rules.headers):
        values = [value.strip() for each, value in headers if each.lower() == name]
        if name == "anthropic-beta":
            # A set, in as many headers as the client likes.
            listed = {beta.strip() for value in values for beta in value.split(",")}
            seen[name] = sorted(listed - {""})
        else:
            seen[name] = replacer.replace(", ".join(values)) or None
    return seen
