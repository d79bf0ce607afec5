"""
What is used here of aiohttp that it doesn't promise: names that begin with ``_``.

Seen in 3.14.5. ``tests/server/http/test_aiohttp_compat.py`` tells when they change.
"""

from __future__ import annotations

from aiohttp import web


def is_asked_nothing(handler: web.RequestHandler) -> bool:
    """Whether a connection waits for a request, and none has come."""
    return handler._waiter is not None and not handler._messages


def current_request(handler: web.RequestHandler) -> web.BaseRequest | None:
    """Return the request of a connection that is being answered, or None."""
    return handler._current_request


class UntypedResponse(web.StreamResponse):
    """A response that has no ``Content-Type``, where aiohttp would fill one in."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Content-Type", None)
