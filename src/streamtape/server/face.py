"""
The HTTP face: who is let in, what is answered here, and the errors' answers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from streamtape.core.model import Request
from streamtape.core.pacing import Pacing, parse_speed
from streamtape.core.redaction import clean_text
from streamtape.errors import RefusedRequestError, StreamtapeError, UsageError
from streamtape.server.answers import (
    TOLD,
    add_cors,
    error_answer,
    json_answer,
    preflight_answer,
)
from streamtape.server.exchanges import Asked, Exchanges
from streamtape.server.guard import check_request, explain_base_url
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
            response = self._answer_here(request)
            if response is None:
                asked = await self._read(request)
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

    def _answer_here(self, request: web.BaseRequest) -> web.Response | None:
        """
        Answer what is never forwarded, recorded or missed.
        """
        path = request.raw_path.partition("?")[0]
        if request.method == "OPTIONS":
            return preflight_answer(request)
        if path.startswith(OWN_PATH):
            return self._own_page(path.removeprefix(OWN_PATH))
        if request.method == "HEAD":
            return web.Response(headers={TOLD: "local"})
        hint = explain_base_url(path)
        if hint is not None:
            raise RefusedRequestError(hint, status=404, error_type="not_found_error")
        return None

    def _own_page(self, name: str) -> web.Response:
        status: dict[str, object] = {"status": "ok", "version": __version__}
        if name == "status":
            status |= {
                "mode": self._config.mode,
                "cassettes": str(self._config.cassettes),
                "upstream": self._config.upstream,
                "requests": self._exchanges.tally,
            }
        elif name != "health":
            message = f"there is no {OWN_PATH}{name}, only {OWN_PATH}health and status"
            raise RefusedRequestError(message, status=404, error_type="not_found_error")
        return json_answer(json.dumps(status), headers={TOLD: "local"})

    async def _read(self, request: web.BaseRequest) -> Asked:
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
                target=request.raw_path,
                headers=tuple(
                    (name, value)
                    for name, value in request.headers.items()
                    if not name.lower().startswith(_OWN_PREFIX)
                ),
                body=bytes(body),
            ),
            web_request=request,
            pacing=self._pacing_of(request),
            own_url=f"http://{request.headers['Host']}",
        )

    def _pacing_of(self, request: web.BaseRequest) -> Pacing:
        asked = request.headers.get("x-streamtape-speed")
        if asked is None:
            return self._config.pacing
        try:
            return replace(self._config.pacing, speed=parse_speed(asked))
        except UsageError as error:
            message = f"x-streamtape-speed: {error}"
            raise RefusedRequestError(
                message, status=400, error_type="invalid_request_error"
            ) from error


def _expect_continue(request: web.BaseRequest) -> None:
    """
    Let a client that asks first send its body: curl does so for larger ones.
    """
    expected = request.headers.get("Expect", "").lower()
    if expected == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
