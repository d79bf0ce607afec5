"""
Requests to the upstream, and its failures in our own words.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from io import BytesIO

import aiohttp
from yarl import URL

from streamtape.core.model import EndReason, Request
from streamtape.errors import (
    UpstreamIsStreamtapeError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from streamtape.server.answers import TOLD
from streamtape.server.clock import Clock
from streamtape.server.forwarding.client import (
    NoAnswerError,
    StaleConnectionError,
    TimedResponse,
    open_session,
)
from streamtape.server.forwarding.decoding import UNKNOWN, encoding_of
from streamtape.server.forwarding.headers import forwarded_headers
from streamtape.server.forwarding.upstream_url import explain_streamtape

_UNTRUSTED = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate whose issuer nobody here vouches for."""


class Upstream:
    """
    The one API that this server forwards to.

    Nothing but the configured origin is ever connected to: redirects are passed
    on, cookies are not kept, and the environment's proxies are not used.

    Args:
        base_url: As :func:`streamtape.server.config.check_upstream` returns it.
        clock: Says when a request was sent, and when its answer came.
        source: Who named it, as in the settings; empty if that is not known.
        idle_limit_ns: Longest wait for the head of an answer.
    """

    def __init__(
        self, base_url: str, clock: Clock, *, source: str = "", idle_limit_ns: int
    ) -> None:
        self.base_url = base_url
        self._source = source
        self._origin = URL(base_url).origin()
        self._idle_limit_s = idle_limit_ns / 1e9
        self._session = open_session(clock)

    async def send(self, request: Request) -> TimedResponse:
        """
        Forward a request and return the answer once its head is there.

        Raises:
            UpstreamUnreachableError: No connection, or an answer that is no HTTP.
            UpstreamTimeoutError: No answer within the limit.
            UpstreamIsStreamtapeError: The answer is that of a streamtape.
        """
        url = URL(self.base_url + request.target, encoded=True)
        # The target was checked by the guard; this holds whatever it let pass.
        assert url.origin() == self._origin
        try:
            async with asyncio.timeout(self._idle_limit_s):
                response = await self._ask(request, url)
        except TimeoutError as error:
            message = f"{self._origin} did not answer in {self._idle_limit_s:g} s"
            raise UpstreamTimeoutError(message) from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            # Of the last kind is what blocks the network in tests.
            message = f"{self._origin} can't be used as upstream: {_explain(error)}"
            raise UpstreamUnreachableError(message) from error

        if TOLD in response.headers:
            # Its replays, and its errors, would become cassettes of ours.
            response.close()
            message = explain_streamtape(self.base_url, self._source)
            raise UpstreamIsStreamtapeError(message)
        reason = ""
        if response.status < 200:
            reason = f"wants another protocol ({response.status})"
        elif (encoding := encoding_of(response.headers)) in UNKNOWN:
            reason = (
                f"compressed its answer as {encoding}, although asked not to, and "
                "that can't be decoded here"
            )
        if reason:
            response.close()
            raise UpstreamUnreachableError(f"{self._origin} {reason}")
        return response

    async def _ask(self, request: Request, url: URL) -> TimedResponse:
        while True:
            try:
                response = await self._session.request(
                    request.method,
                    url,
                    headers=[*forwarded_headers(request.headers)],
                    data=BytesIO(request.body) if request.body else None,
                    allow_redirects=False,
                )
                assert isinstance(response, TimedResponse)
                return response
            except StaleConnectionError:
                # It left the pool, so this comes to an end.
                continue

    async def close(self) -> None:
        """
        Close all connections.
        """
        await self._session.close()


def reason_of(error: BaseException | None) -> EndReason:
    """
    Tell how a body ended from the error that ended it, None meaning its framing.
    """
    if error is None:
        return EndReason.COMPLETE
    if isinstance(error, ConnectionResetError):
        return EndReason.UPSTREAM_RESET
    return EndReason.UPSTREAM_CUT


def _explain_certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return str(cause)
    reason: str = cause.verify_message
    if cause.verify_code in _UNTRUSTED:
        reason += "; if you trust who issued it, name a file with that certificate "
        reason += "in SSL_CERT_FILE"
    return reason


def _explain(error: BaseException) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not valid: {_explain_certificate(error)}"
        case aiohttp.ClientConnectorDNSError():
            return "its name can't be resolved"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "the TLS handshake failed; does it speak https?"
        case aiohttp.ClientConnectorError():
            code = error.os_error.errno
            return f"no connection ({os.strerror(code) if code else error.os_error})"
        case NoAnswerError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "what it sent is no HTTP"
    return type(error).__name__
