"""
The HTTP face: who is let in, what is answered here, and the errors' answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from streamtape.core.model import Request
from streamtape.core.modes import RecordMode
from streamtape.core.pacing import parse_speed
from streamtape.core.redaction import clean_text
from streamtape.errors import RefusedRequestError, StreamtapeError, UsageError
from streamtape.server.answers import (
    TOLD,
    add_cors,
    error_answer,
    json_answer,
    preflight_answer,
)
from streamtape.server.asked import Asked
from streamtape.server.config import Policy
from streamtape.server.exchanges import Exchanges
from streamtape.server.guard import check_request, explain_base_url
from streamtape.server.scopes import split_scope
from streamtape.version import __version__

log = logging.getLogger(__name__)

OWN_PATH = "/_streamtape/"

_OWN_PREFIX = "x-streamtape"
"""Headers that are meant for us: neither forwarded, matched nor recorded."""


class Face:
    """
    Answers every request that reaches the server.

    Args:
        port: Tells our own port, which is known once the server listens.
    """

    def __init__(self, exchanges: Exchanges, *, port: Callable[[], int]) -> None:
        self._exchanges = exchanges
        self._config = exchanges.config
        self._port = port

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """
        Answer one request; whatever goes wrong becomes an answer too.
        """
        try:
            check_request(
                method=request.method,
                target=request.raw_path,
                hosts=request.headers.getall("Host", []),
                port=self._port(),
                origin=request.headers.get("Origin"),
                fetch_site=request.headers.get("Sec-Fetch-Site"),
            )
        except RefusedRequestError as error:
            log.info("refused: %s", clean_text(str(error)))
            return error_answer(error)
        origin = request.headers.get("Origin")
        try:
            prefix, name, target = split_scope(request.raw_path)
            response = await self._answer_here(request, name, target)
            if response is None:
                asked = await self._read(request, prefix, name, target)
                with asked.scope.running:
                    return await self._exchanges.answer(asked)
        except StreamtapeError as error:
            log.warning("%s", clean_text(str(error)))
            response = error_answer(error)
        except Exception as error:
            log.exception("a defect of streamtape itself")
            message = f"a defect of streamtape itself: {type(error).__name__}"
            response = error_answer(StreamtapeError(message))
        add_cors(response, origin)
        return response

    async def _answer_here(
        self, request: web.BaseRequest, scope: str, target: str
    ) -> web.Response | None:
        """
        Answer what is never forwarded, recorded or missed.
        """
        path = target.partition("?")[0]
        if request.method == "OPTIONS":
            return preflight_answer(request)
        if path.startswith(OWN_PATH):
            page = path.removeprefix(OWN_PATH)
            return await self._own_page(request.method, page, scope)
        if request.method == "HEAD":
            return web.Response(headers={TOLD: "local"})
        hint = explain_base_url(path)
        if hint is not None:
            raise RefusedRequestError(hint, status=404, error_type="not_found_error")
        return None

    async def _own_page(self, method: str, page: str, scope: str) -> web.Response:
        told: dict[str, object] = {"status": "ok", "version": __version__}
        match page:
            case "health":
                pass
            case "status":
                told |= self._exchanges.scopes.status(scope)
            case "reset" if method == "POST":
                await asyncio.to_thread(self._exchanges.reset, scope)
            case "reset":
                message = (
                    f"{OWN_PATH}reset begins a new run; ask with POST, not {method}"
                )
                raise RefusedRequestError(
                    message, status=405, error_type="invalid_request_error"
                )
            case _:
                message = f"there is no {OWN_PATH}{page}, only health, status and reset"
                raise RefusedRequestError(
                    message, status=404, error_type="not_found_error"
                )
        return json_answer(json.dumps(told), headers={TOLD: "local"})

    async def _read(
        self, request: web.BaseRequest, prefix: str, name: str, target: str
    ) -> Asked:
        scope = self._exchanges.scopes.get(name)
        policy = self._policy_of(request, scope.policy)
        _expect_continue(request)
        limit = self._config.body_limit_bytes
        body = bytearray()
        try:
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    message = f"the body is longer than {limit} bytes"
                    raise RefusedRequestError(
                        message, status=413, error_type="request_too_large"
                    )
        except web.RequestPayloadError as error:
            message = "the body broke off, or its framing is wrong"
            raise RefusedRequestError(
                message, status=400, error_type="invalid_request_error"
            ) from error
        return Asked(
            request=Request(
                method=request.method,
                target=target,
                headers=tuple(
                    (name, value)
                    for name, value in request.headers.items()
                    if not name.lower().startswith(_OWN_PREFIX)
                ),
                body=bytes(body),
            ),
            web_request=request,
            scope=scope,
            policy=policy,
            own_url=f"http://{request.headers['Host']}{prefix}",
        )

    def _policy_of(self, request: web.BaseRequest, policy: Policy) -> Policy:
        """
        Return the policy of a scope with what one request asks for itself.
        """
        speed = request.headers.get("x-streamtape-speed")
        mode = request.headers.get("x-streamtape-mode")
        try:
            if speed is not None:
                pacing = replace(policy.pacing, speed=parse_speed(speed))
                policy = replace(policy, pacing=pacing)
        except UsageError as error:
            raise _bad_header("speed", str(error)) from error
        if mode is None:
            return policy
        if mode not in tuple(RecordMode):
            modes = ", ".join(RecordMode)
            raise _bad_header("mode", f"expected one of {modes}; got {mode!r}")
        if mode != RecordMode.NONE and not self._exchanges.can_forward(policy):
            reason = f"this server only replays, so it can't do {mode!r}"
            raise _bad_header("mode", f"{reason}; start it with streamtape record")
        return replace(policy, mode=RecordMode(mode))


def _bad_header(name: str, reason: str) -> RefusedRequestError:
    message = f"x-streamtape-{name}: {reason}"
    return RefusedRequestError(message, status=400, error_type="invalid_request_error")


def _expect_continue(request: web.BaseRequest) -> None:
    """
    Let a client that asks first send its body: curl does so for larger ones.
    """
    expected = request.headers.get("Expect", "").lower()
    if expected == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
