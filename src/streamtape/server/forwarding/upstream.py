"""
Requests to the upstream, and its failures in our own words.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from io import BytesIO
from typing import ClassVar, Final
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from streamtape.core.model import EndReason, Headers, Request
from streamtape.core.secrecy.heads import HOP_BY_HOP
from streamtape.errors import UpstreamTimeoutError, UpstreamUnreachableError
from streamtape.server.forwarding.decoding import DECODED, UNKNOWN, encoding_of

_CONNECT_LIMIT_S: Final = 30

_NOT_FORWARDED = HOP_BY_HOP | {"host", "content-length", "accept-encoding", "expect"}

_OWN_PREFIX = "x-streamtape"

_UNTRUSTED = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate whose issuer nobody here vouches for."""


class _StaleConnectionError(aiohttp.ClientConnectionError):
    """
    A connection of the pool is of no use; nothing was sent over it.
    """


class _NoAnswerError(aiohttp.ClientConnectionError):
    """
    The connection broke before there was an answer.
    """


class _CarefulRequest(aiohttp.ClientRequest):
    """
    A request that no answer is given to which came before it was sent.

    What an upstream says while a connection is idle would be taken for the answer to
    the next request over it, and every later answer for that of the one before.
    """

    _used: ClassVar[WeakSet[asyncio.Protocol]] = WeakSet()

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """
        Send it, unless the connection was used before and can't be trusted again.

        Raises:
            _StaleConnectionError: So it is.
        """
        protocol = conn.protocol
        assert protocol is not None
        if protocol in self._used:
            # Within two turns of the loop all is read that has arrived.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if protocol.should_close or not protocol.is_connected():
                raise _StaleConnectionError
        self._used.add(protocol)
        return await super().send(conn)


async def _ask_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """
    Keep aiohttp from asking again by itself, as it does for some methods.

    Whether to try again is for the client to say, and the upstream counts.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _NoAnswerError from error


class Upstream:
    """
    The one API that this server forwards to.

    Nothing but the configured origin is ever connected to: redirects are passed
    on, cookies are not kept, and the environment's proxies are not used.

    Args:
        base_url: As :func:`streamtape.server.config.check_upstream` returns it.
        idle_limit_ns: Longest wait for the head of an answer.
    """

    def __init__(self, base_url: str, *, idle_limit_ns: int) -> None:
        self.base_url = base_url
        self._origin = URL(base_url).origin()
        self._idle_limit_s = idle_limit_ns / 1e9
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            request_class=_CarefulRequest,
            middlewares=(_ask_once,),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_LIMIT_S),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        )

    async def send(self, request: Request) -> aiohttp.ClientResponse:
        """
        Forward a request and return the answer once its head is there.

        Raises:
            UpstreamUnreachableError: No connection, or an answer that is no HTTP.
            UpstreamTimeoutError: No answer within the limit.
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
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"{self._origin} can't be used as upstream: {_explain(error)}"
            raise UpstreamUnreachableError(message) from error

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

    async def _ask(self, request: Request, url: URL) -> aiohttp.ClientResponse:
        while True:
            try:
                return await self._session.request(
                    request.method,
                    url,
                    headers=[*forwarded_headers(request.headers)],
                    data=BytesIO(request.body) if request.body else None,
                    allow_redirects=False,
                )
            except _StaleConnectionError:
                # It left the pool, so this comes to an end.
                continue

    async def close(self) -> None:
        """
        Close all connections.
        """
        await self._session.close()


def forwarded_headers(headers: Headers) -> Headers:
    """
    Return what goes upstream: all but what belongs to the connection.

    An unencoded answer is asked for, because clients differ in what they decode.
    """
    dropped = _NOT_FORWARDED | _named_by_connection(headers)
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    return (*kept, ("Accept-Encoding", "identity"))


def returned_headers(response: aiohttp.ClientResponse, *, base_url: str) -> Headers:
    """
    Return what the client gets of an answer's headers.

    What is no longer true is left out: the length of the body, and its encoding if
    that is taken off here. A redirect within the upstream leads to us again.

    Args:
        base_url: The upstream's.
    """
    headers = tuple(response.headers.items())
    dropped = HOP_BY_HOP | _named_by_connection(headers) | {"content-length"}
    if encoding_of(response.headers) in DECODED:
        dropped |= {"content-encoding"}
    return tuple(
        (name, own_location(value, response.url, base_url=base_url))
        if name.lower() == "location"
        else (name, value)
        for name, value in headers
        if name.lower() not in dropped
        # The proxy's own origin is not the API's.
        and not name.lower().startswith(("access-control-", _OWN_PREFIX))
    )


def own_location(location: str, url: URL, *, base_url: str) -> str:
    """
    Return a redirect that stays with this proxy if it stays within the upstream.

    Such a one becomes a path, which a client joins to our address. Any other names
    its host, and a client that follows it leaves us.

    Args:
        location: Absolute, or relative to `url`, which was asked for.
        base_url: The upstream's.
    """
    base = URL(base_url)
    prefix = base.raw_path.rstrip("/")
    try:
        target = url.join(URL(location, encoded=True))
        is_within = (target.scheme, target.host, target.port) == (
            (base.scheme, base.host, base.port)
        )
    except ValueError:
        return location
    if not is_within:
        return location
    path = str(target.relative()).removeprefix(prefix)
    # A path that begins with two slashes would name a host.
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and target.raw_path.startswith(prefix) else str(target)


def reason_of(error: BaseException | None) -> EndReason:
    """
    Tell how a body ended from the error that ended it, None meaning its framing.
    """
    if error is None:
        return EndReason.COMPLETE
    if isinstance(error, ConnectionResetError):
        return EndReason.UPSTREAM_RESET
    return EndReason.UPSTREAM_CUT


def _named_by_connection(headers: Headers) -> set[str]:
    return {
        named.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for named in value.split(",")
    }


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
        case _NoAnswerError():
            return "it closed the connection without an answer"
        case aiohttp.ClientResponseError():
            return "what it sent is no HTTP"
    return type(error).__name__
