"""
A request that was let in: its body, and what matching makes of it.

Bodies are bounded in length, and in how slowly they may come.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import HttpVersion11, web

from streamtape.core.matching.body import decode_body
from streamtape.core.matching.key import (
    DEFAULT_RULES,
    MatchInput,
    RequestKeys,
    request_key,
)
from streamtape.core.model import Request
from streamtape.core.modes import RecordMode
from streamtape.core.redaction.headers import CleanRequest, clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import RefusedRequestError
from streamtape.server.scopes import Scope
from streamtape.server.stats import LoggedInteraction
from streamtape.settings import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """A request that was let in, read to its end."""

    request: Request
    web_request: web.BaseRequest
    scope: Scope
    policy: Policy
    """That of the scope, with what the request itself asks for."""
    own_url: str
    """Our base URL as this client knows it."""
    arrived_ns: int
    """When its last byte was here, on the clock."""


class MatchQuery:
    """
    A request as matching sees it.

    It is redacted as soon as something of it is to be kept or said, and not before:
    an answer that a cassette has under the key of the request as it came needs none
    of that.

    Args:
        secrets: Those of the server. Those of the request are known to it from then
            on, if anything may be recorded.
        limit_bytes: How long the body may be without its encoding.
    """

    def __init__(
        self, context: RequestContext, secrets: Secrets, *, limit_bytes: int
    ) -> None:
        self._rules = context.policy.rules
        if context.policy.mode is not RecordMode.NONE:
            secrets.remember_request(context.request)
        decoded = decode_body(context.request, limit_bytes=limit_bytes)
        # No method of its own: nothing here may stand in a circle of references.
        redact = partial(_redact, secrets=secrets, request=context.request)
        self._keys = RequestKeys(decoded, redact, self._rules)
        self._is_looked_for = context.policy.mode is not RecordMode.PASSTHROUGH
        tally = context.scope.tally
        self.interaction = (
            LoggedInteraction(self._keys)
            if tally.log is None
            else tally.begin(self._keys)
        )
        """Where to note what becomes of it."""

    @property
    def keys(self) -> Iterable[str]:
        """
        The keys under which a cassette may have it, the one found with less work first.

        Raises:
            UsageError: A pattern of the project takes too long on it.
        """
        return self._keys

    @property
    def key(self) -> str:
        """
        The match key of the redacted request, as a recording of it has it; empty where
        nothing is looked for, so that no rule holds a request up.

        Raises:
            UsageError: A pattern of the project takes too long on it.
        """
        return self.match_input.key if self._is_looked_for else ""

    @property
    def match_input(self) -> MatchInput:
        """What that key sees."""
        return self._keys.input_redacted

    @property
    def default_key(self) -> str:
        """The match key under the default rules, which a cassette holds."""
        if self._rules == DEFAULT_RULES:
            return self.key
        return request_key(self.clean)

    @property
    def clean(self) -> CleanRequest:
        """The redacted request."""
        return self._keys.redacted

    def is_of(self, recorded: Request, key: str) -> bool:
        """Whether a cassette's request is what was looked for under one of the keys."""
        return self._keys.is_of(recorded, key)


def _redact(decoded: Request, *, secrets: Secrets, request: Request) -> CleanRequest:
    secrets.remember_request(request)
    return clean_request(decoded, secrets)


LEAST_RATE: Final = 16 * 1024
"""
Bytes that earn a body another second. No line in use is slower, and a client that
sends a byte now and then would hold its place for ever.
"""


async def read_body(
    request: web.BaseRequest, *, limit_bytes: int, stall_s: float
) -> bytes:
    """
    Return the body of a request as it came over the wire, freed from its framing.

    Args:
        limit_bytes: Longest body that is taken.
        stall_s: Longest silence within it; all of it may take twice as long, and
            besides the seconds that its bytes have earned.

    Raises:
        RefusedRequestError: It is too long, comes too slowly, or broke off.
    """
    size = request.content_length or 0
    if size <= limit_bytes:
        _expect_continue(request)
        try:
            return await _read_in_time(request, limit_bytes, stall_s)
        except web.RequestPayloadError as error:
            message = "the body broke off, or its framing is wrong"
            raise RefusedRequestError(
                message, status=400, error_type="invalid_request_error"
            ) from error
    raise _too_large(limit_bytes)


async def _read_in_time(
    request: web.BaseRequest, limit_bytes: int, stall_s: float
) -> bytes:
    message = f"the body comes more slowly than {LEAST_RATE} bytes per second"
    body = io.BytesIO()
    try:
        async with asyncio.timeout(2 * stall_s) as whole:
            while True:
                try:
                    async with asyncio.timeout(stall_s):
                        chunk = await request.content.readany()
                except TimeoutError:
                    message = f"nothing more of the body came for {stall_s:g} s"
                    raise
                if not chunk:
                    # Unlike that of a bytearray, this value is no second copy.
                    return body.getvalue()
                body.write(chunk)
                if body.tell() > limit_bytes:
                    raise _too_large(limit_bytes)
                due_s = whole.when()
                assert due_s is not None
                whole.reschedule(due_s + len(chunk) / LEAST_RATE)
    except TimeoutError as error:
        raise RefusedRequestError(
            message, status=408, error_type="timeout_error"
        ) from error


def _too_large(limit_bytes: int) -> RefusedRequestError:
    message = f"the body is longer than {limit_bytes} bytes"
    return RefusedRequestError(message, status=413, error_type="request_too_large")


def _expect_continue(request: web.BaseRequest) -> None:
    """
    Let a client that asks first send its body: curl does so for larger ones.

    One of HTTP/1.0 would take this for its answer.
    """
    is_asked = "Expect" in request.headers and request.version >= HttpVersion11
    if is_asked and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
