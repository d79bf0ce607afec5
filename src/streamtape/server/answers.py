"""Answers of our own: errors in the API's shape, preflights, status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_text
from streamtape.errors import CassetteError, MissError, RequestError, StreamtapeError

OUTCOME_HEADER = "x-streamtape"
"""On every answer: what became of the request."""

CASSETTE_HEADER = "x-streamtape-cassette"
"""On every hit: the name of the cassette."""

_RETRIED: Final = frozenset({408, 502, 504, 529})
"""What may go well in a moment."""


def error_answer(error: StreamtapeError, secrets: Secrets) -> web.Response:
    """
    Turn an error of ours into an answer that an SDK shows and does not retry.

    What the network may mend by itself is left to the SDK's own retries.
    """
    status, outcome = 500, "error"
    if isinstance(error, RequestError):
        status = error.status
        outcome = "miss" if isinstance(error, MissError) else "error"
    headers = {OUTCOME_HEADER: outcome}
    if status not in _RETRIED:
        headers["x-should-retry"] = "false"
    return json_answer(error_body(error, secrets), status=status, headers=headers)


def error_body(error: StreamtapeError, secrets: Secrets) -> str:
    """The API's error envelope as JSON, without any secret that the request had."""
    error_type = error.error_type if isinstance(error, RequestError) else "api_error"
    message = str(error)
    if isinstance(error, CassetteError):
        message = f"streamtape can't replay this: {message}"
    message = clean_text(message, secrets)
    envelope = {"type": "error", "error": {"type": error_type, "message": message}}
    return json.dumps(envelope, ensure_ascii=False)


def json_answer(
    body: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Make an answer of ours with a JSON body."""
    return web.Response(
        text=body,
        status=status,
        content_type="application/json",
        headers={"x-content-type-options": "nosniff", **(headers or {})},
    )


def preflight_answer(request: web.BaseRequest) -> web.Response:
    """Answer an OPTIONS request: whatever a page of a loopback origin asks for."""
    method, names = (
        request.headers.get(f"Access-Control-Request-{context}", "*")
        for context in ("Method", "Headers")
    )
    headers = {
        OUTCOME_HEADER: "local",
        "Access-Control-Max-Age": "600",
        "Access-Control-Allow-Methods": method,
        "Access-Control-Allow-Headers": names,
    }
    return web.Response(status=204, headers=headers)


def add_cors(response: web.StreamResponse, origin: str | None) -> None:
    """Let a page of a loopback origin, which the guard has checked, read an answer."""
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "*"
        response.headers["Vary"] = "Origin"
