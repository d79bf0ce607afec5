"""
When two requests are the same: what the key sees of a request, and the key.

The key sees method, path, query and body, and no header but those that the rules
name and the ``Last-Event-ID`` of a client that resumes a stream. Whatever changes what
it sees belongs here, so that the key and what a miss says change together. A new
default needs a new :data:`KEY_VERSION`.

A cassette holds the key of the redacted request, or else a replay with another API
key would never match. What is only looked up need not be redacted first, see
:class:`RequestKeys`; all else here wants the redacted request.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

from streamtape.core.matching.body import BodyKind, read_body
from streamtape.core.matching.presets import apply_preset, is_for_agent
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.tool_ids import rename_tool_ids
from streamtape.core.model import Request, find_header
from streamtape.core.redaction.text import REDACTED, without_public_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamtape.core.matching.replace import Replacer

KEY_VERSION: Final = 1
"""Counts the changes of the key under the default rules; cassettes hold both."""

DEFAULT_RULES: Final = Rules()

_UNMATCHED_QUERY: Final = frozenset({"beta"})
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class MatchInput:
    """What the key sees of a request, all in the types of JSON."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    """Sorted pairs, percent-decoded."""
    headers: dict[str, object]
    """The values of those that the rules name, None where one wasn't sent."""
    kind: BodyKind
    body: Any

    @cached_property
    def key(self) -> str:
        """The match key, 64 hex digits: equal for requests that ask the same."""
        whole = [self.method, self.path, self.query, self.headers, self.kind, self.body]
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()


def match_input_of(request: Request, rules: Rules = DEFAULT_RULES) -> MatchInput:
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
    if rules.ignore and (paths := rules.ignored_paths):
        from streamtape.core.matching.paths import ignore_paths

        body = ignore_paths(body, paths, size_bytes=len(request.body))
    replacer = rules.replacer() if rules.replace else None
    query = _query(request.target.partition("?")[2], rules, replacer)
    return MatchInput(
        method=request.method,
        path=request.path,
        query=query,
        headers=_headers(request, rules, replacer),
        kind=kind,
        body=body if replacer is None else replacer.replace(body),
    )


def request_key(request: Request, rules: Rules = DEFAULT_RULES) -> str:
    """Return the match key of a request, 64 hex digits."""
    return match_input_of(request, rules).key


Redacted = TypeVar("Redacted", bound=Request)


class RequestKeys(Generic[Redacted]):
    """
    The keys under which the answers to one request may have been recorded.

    Look first for the key of the request as it came, and only if nothing has that for
    the key of the redacted one: redacting a request takes longer than all else that
    is done for an answer that was recorded. Whatever has the first key is a match,
    because the match input of what was recorded is equal to that of the request. It
    holds no secret, so redacting the request would have changed nothing in it, but for
    what is a secret in this request alone, as its headers say.

    Args:
        request: As it came, with its content encodings taken off.
        redact: Returns it redacted. Called once, and not before that is needed.
    """

    def __init__(
        self,
        request: Request,
        redact: Callable[[Request], Redacted],
        rules: Rules = DEFAULT_RULES,
    ) -> None:
        self._request = request
        self._redact = redact
        self._rules = rules

    def __iter__(self) -> Iterator[str]:
        """
        Yield the keys to look for, in this order; the later ones only if they differ.

        Raises:
            UsageError: As :func:`match_input_of`.
        """
        yield self.input_as_sent.key
        if self.input_redacted.key != self.input_as_sent.key:
            yield self.input_redacted.key
        if (key := self._key_without_words()) is not None:
            yield key

    def _key_without_words(self) -> str | None:
        """
        Return the key of a request that sends back what a replay gave in pieces.

        There the public word of a secret stands before the mark of what was taken out;
        who recorded it had sent the whole secret, of which the mark alone is kept.
        """
        redacted = self.redacted
        body = without_public_words(redacted.body)
        if body == redacted.body:
            return None
        request = Request(
            method=redacted.method,
            target=redacted.target,
            headers=redacted.headers,
            body=body,
        )
        return request_key(request, self._rules)

    def is_of(self, recorded: Request, key: str) -> bool:
        """
        Whether a recorded request has a key, mostly without a look at its body.

        Args:
            key: One of these keys.

        Raises:
            UsageError: As :func:`match_input_of`.
        """
        is_same = _looks_alike(self._request, recorded, self._rules)
        return is_same or request_key(recorded, self._rules) == key

    @cached_property
    def redacted(self) -> Redacted:
        """The redacted request."""
        return self._redact(self._request)

    @cached_property
    def input_as_sent(self) -> MatchInput:
        """What the key sees of the request as it came; never to be shown or kept."""
        return match_input_of(self._request, self._rules)

    @cached_property
    def input_redacted(self) -> MatchInput:
        """What the key sees of the redacted request, as a cassette has it."""
        if _looks_alike(self._request, self.redacted, self._rules):
            return self.input_as_sent
        return match_input_of(self.redacted, self._rules)


def _looks_alike(a: Request, b: Request, rules: Rules) -> bool:
    """Whether it is clear without a closer look that the key sees the same of both."""
    one, other = (
        (
            *(each.method, each.target, each.body),
            # The boundary of a form stands there too.
            find_header(each.headers, "content-type"),
            each.method == "GET" and _resumed_after(each),
            is_for_agent(rules.preset, each),
        )
        for each in (a, b)
    )
    return one == other and not rules.headers


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


def _query(
    query: str, rules: Rules, replacer: Replacer | None
) -> tuple[tuple[str, str], ...]:
    ignored: frozenset[str] = _UNMATCHED_QUERY
    if rules.ignore:
        ignored |= rules.ignored_parameters
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return tuple(
        sorted(
            (name, value if replacer is None else replacer.replace(value))
            for name, value in pairs
            if name not in ignored
        )
    )


def _resumed_after(request: Request) -> str | None:
    """
    Return the event after which a client wants a stream to go on, or None.

    Each resume has an answer of its own. In older cassettes nothing is kept of it.
    """
    if request.method != "GET":
        return None
    event_id = find_header(request.headers, "last-event-id")
    return None if event_id == REDACTED else event_id


def _headers(
    request: Request, rules: Rules, replacer: Replacer | None
) -> dict[str, object]:
    matched: dict[str, object] = {}
    if (event_id := _resumed_after(request)) is not None:
        matched["last-event-id"] = event_id
    for name in map(str.lower, rules.headers):
        values = [
            value.strip() for each, value in request.headers if each.lower() == name
        ]
        if name == "anthropic-beta":
            # A set, in as many headers as the client likes.
            listed = {beta.strip() for value in values for beta in value.split(",")}
            matched[name] = sorted(listed - {""})
        else:
            joined = ", ".join(values)
            matched[name] = (replacer.replace(joined) if replacer else joined) or None
    return matched
