"""Every request that reaches the server: let in, answered here or handed on."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace

from aiohttp import web

from streamtape.core.model import Request
from streamtape.core.modes import RecordMode
from streamtape.core.pacing import parse_speed
from streamtape.core.redaction.text import clean_text
from streamtape.errors import RefusedRequestError, StreamtapeError, UsageError
from streamtape.server.answers import (
    OUTCOME_HEADER,
    add_cors,
    error_answer,
    json_answer,
    preflight_answer,
)
from streamtape.server.dispatch import Dispatcher
from streamtape.server.environment import OWN_PATH
from streamtape.server.http.connections import Connection
from streamtape.server.http.guard import (
    check_framing,
    check_request,
    check_token,
    explain_base_url,
)
from streamtape.server.http.listen import is_loopback
from streamtape.server.request import RequestContext, read_body
from streamtape.server.scopes import split_scope
from streamtape.settings import Policy
from streamtape.version import __version__

log = logging.getLogger(__name__)

_OWN_PREFIX = "x-streamtape"
"""Headers that are meant for us: neither forwarded, matched nor recorded."""


class RequestHandler:
    """
    Answers every request that reaches the server.

    Args:
        port: Our own port.
        token: What requests from elsewhere than this machine have to carry; None if
            none can come.
    """

    def __init__(
        self, dispatcher: Dispatcher, *, port: int, token: str | None = None
    ) -> None:
        self._dispatcher = dispatcher
        self._config = dispatcher.config
        self._secrets = dispatcher.secrets
        self._port = port
        self._token = token

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever goes wrong becomes an answer too."""
        try:
            before, target = self._admit(request)
        except RefusedRequestError as error:
            log.info("refused: %s", clean_text(str(error), self._secrets))
            return _close_behind(request, error_answer(error, self._secrets))
        origin = request.headers.get("Origin")
        try:
            prefix, name, target = split_scope(target)
            response = await self._answer_here(request, name, target)
            if response is None:
                context = await self._read(request, before + prefix, name, target)
                with context.scope.running:
                    return await self._dispatcher.answer(context)
        except StreamtapeError as error:
            log.warning("%s", clean_text(str(error), self._secrets))
            response = error_answer(error, self._secrets)
        except Exception as error:
            log.exception("a defect of streamtape itself")
            message = f"a defect of streamtape itself: {type(error).__name__}"
            response = error_answer(StreamtapeError(message), self._secrets)
        add_cors(response, origin)
        return _close_behind(request, response)

    def _admit(self, request: web.BaseRequest) -> tuple[str, str]:
        """
        Return the target in two: the part with a token, and what is asked for.

        Raises:
            RefusedRequestError: The request is not let in.
        """
        is_local = self._token is None or _is_local(request)
        headers = request.headers
        before, target = check_token(
            request.raw_path,
            headers.get("x-streamtape-token"),
            token=self._token,
            is_needed=not is_local,
        )
        check_request(
            method=request.method,
            target=target,
            hosts=headers.getall("Host", []),
            port=self._port if is_local else None,
            origins=headers.getall("Origin", []),
            fetch_sites=headers.getall("Sec-Fetch-Site", []),
        )
        check_framing(
            request.version,
            headers.getall("Transfer-Encoding", []),
            headers.getall("Expect", []),
        )
        return before, target

    async def _answer_here(
        self, request: web.BaseRequest, scope: str, target: str
    ) -> web.Response | None:
        """Answer what is never forwarded, recorded or missed."""
        path = target.partition("?")[0]
        if request.method == "OPTIONS":
            return preflight_answer(request)
        if path.startswith(OWN_PATH):
            page = path.removeprefix(OWN_PATH)
            return await self._own_page(request.method, page, scope)
        if request.method == "HEAD":
            return web.Response(headers={OUTCOME_HEADER: "local"})
        return None

    async def _own_page(self, method: str, page: str, scope: str) -> web.Response:
        outcome: dict[str, object] = {"status": "ok", "version": __version__}
        match page:
            case "health":
                pass
            case "status":
                outcome |= self._dispatcher.scopes.status(scope)
            case "reset" if method == "POST":
                await asyncio.to_thread(self._dispatcher.reset, scope)
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
        return json_answer(json.dumps(outcome), headers={OUTCOME_HEADER: "local"})

    async def _read(
        self, request: web.BaseRequest, prefix: str, name: str, target: str
    ) -> RequestContext:
        scope = self._dispatcher.scopes.get(name)
        try:
            hint = explain_base_url(target.partition("?")[0])
            if hint is not None:
                raise RefusedRequestError(
                    hint, status=404, error_type="not_found_error"
                )
            policy = self._policy_of(request, scope.policy)
            body = await read_body(
                request,
                limit_bytes=self._config.body_limit_bytes,
                stall_s=self._config.body_stall_ns / 1e9,
            )
        except BaseException:
            # Also a client that left before it had asked.
            scope.tally.count("refused")
            raise
        connection = request.protocol
        assert isinstance(connection, Connection)
        return RequestContext(
            arrived_ns=connection.arrived_ns,
            request=Request(
                method=request.method,
                target=target,
                headers=tuple(
                    (name, value)
                    for name, value in request.headers.items()
                    if not name.lower().startswith(_OWN_PREFIX)
                ),
                body=body,
            ),
            web_request=request,
            scope=scope,
            policy=policy,
            own_url=f"http://{request.headers['Host']}{prefix}",
        )

    def _policy_of(self, request: web.BaseRequest, policy: Policy) -> Policy:
        """Return the policy of a scope with what one request asks for itself."""
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
        if mode != RecordMode.NONE and not self._dispatcher.can_forward(policy):
            reason = f"this server only replays, so it can't do {mode!r}"
            raise _bad_header("mode", f"{reason}; start it with streamtape record")
        return replace(policy, mode=RecordMode(mode))


def _bad_header(name: str, reason: str) -> RefusedRequestError:
    message = f"x-streamtape-{name}: {reason}"
    return RefusedRequestError(message, status=400, error_type="invalid_request_error")


def _is_local(request: web.BaseRequest) -> bool:
    """Whether a request came in by the loopback interface."""
    sockname = request.get_extra_info("sockname")
    return sockname is not None and is_loopback(sockname[0])


def _close_behind(
    request: web.BaseRequest, response: web.StreamResponse
) -> web.StreamResponse:
    """Let a client know that the rest of its body is not waited for."""
    if not request.content.is_eof():
        response.force_close()
    return response
