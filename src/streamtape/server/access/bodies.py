"""
The body of a request: how long it may be, and how slowly it may come.
"""

from __future__ import annotations

import asyncio
import io
from typing import Final

from aiohttp import HttpVersion11, web

from streamtape.errors import RefusedRequestError

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
