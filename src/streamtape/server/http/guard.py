"""
Which requests are let in: the checks before anything else happens.

A local proxy is within reach of every page in the developer's browser, so a
request has to name this server exactly, come from no foreign page, and ask for a
path of ours and nothing else. A server that listens to more than this machine has a
token besides. It stands in the base URL, where every client keeps it, or in a header,
and is never forwarded, matched, recorded or logged.
"""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import Final
from urllib.parse import urlsplit

from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import RefusedRequestError, UsageError
from streamtape.server.environment import OWN_PATH
from streamtape.server.http.listen import is_loopback

_HOST: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HTTP_PORT = 80
"""Clients leave it out of the Host header."""

_PATH_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def check_request(
    *,
    method: str,
    target: str,
    hosts: Sequence[str],
    port: int | None,
    origins: Sequence[str],
    fetch_sites: Sequence[str],
) -> None:
    """
    Let a request pass, or say why not.

    Args:
        target: The request target exactly as on the wire, less a token.
        hosts: All values of the Host header.
        port: The port that this server listens on; None for a request with a token,
            which may name any host.
        origins: All values of the Origin header.
        fetch_sites: All values of the Sec-Fetch-Site header.

    Raises:
        RefusedRequestError: It is not for us, or comes from a foreign page.
    """
    _check_target(method, target)
    _check_host(hosts, port)
    for origin in origins:
        if not is_loopback_origin(origin):
            message = f"pages of {origin!r} may not use this proxy, only loopback ones"
            raise forbidden(message)
    if "cross-site" in fetch_sites and not origins:
        message = "a page of another site may not use this proxy"
        raise forbidden(message)


def check_framing(
    version: tuple[int, int], codings: Sequence[str], expected: Sequence[str]
) -> None:
    """
    Refuse what a sender and we might read differently.

    Args:
        version: Of HTTP, as the first line has it; 0.9 stands for none.
        codings: All values of the Transfer-Encoding header.
        expected: All values of the Expect header.

    Raises:
        RefusedRequestError: The version is too old, there is another coding than
            chunks, or an expectation that nobody here can meet.
    """
    if version < (1, 0):
        raise _malformed("the first line of the request has no version of HTTP")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        message = "Transfer-Encoding: expected chunked, and no other coding"
        raise _malformed(message)
    if any(each.lower() != "100-continue" for each in expected):
        message = "Expect: expected 100-continue"
        raise RefusedRequestError(
            message, status=417, error_type="invalid_request_error"
        )


def _check_host(hosts: Sequence[str], port: int | None) -> None:
    if port is None:
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            raise forbidden("expected one Host header, with a name and a port")
        return
    allowed = {f"{host}:{port}" for host in _LOOPBACK_HOSTS}
    if port == _HTTP_PORT:
        allowed |= _LOOPBACK_HOSTS
    if len(hosts) != 1 or hosts[0].lower() not in allowed:
        named = ", ".join(hosts) or "none"
        message = (
            f"Host {named!r} is not this proxy, which is 127.0.0.1:{port}; "
            "set the client's base URL to http://127.0.0.1:" + str(port)
        )
        raise forbidden(message)


def is_loopback_origin(origin: str) -> bool:
    """Whether a page of this origin is the developer's own."""
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ""
    except ValueError:
        return False
    has_more = parts.path or parts.query or parts.fragment or parts.username
    is_loopback = host in ("localhost", "127.0.0.1", "::1")
    return parts.scheme in ("http", "https") and is_loopback and not has_more


def explain_base_url(path: str) -> str | None:
    """
    Say what is wrong with the base URL that leads to such a path, or None.

    Some clients add ``/v1`` to their base URL and some want it in there.
    """
    if path.startswith("/v1/v1/"):
        return (
            f"{path}: /v1 is there twice; this client adds it by itself, "
            "so leave it out of the base URL"
        )
    if path in ("/messages", "/messages/count_tokens", "/messages/batches"):
        return (
            f"{path}: /v1 is missing; this client doesn't add it by itself, "
            "so end the base URL in /v1"
        )
    return None


def _check_target(method: str, target: str) -> None:
    if method == "CONNECT" or not target.startswith("/"):
        message = (
            "this is no forward proxy: set the client's base URL to this address, "
            "not HTTP_PROXY"
        )
        raise _malformed(message)
    path = target.partition("?")[0]
    if target.startswith(("//", "/\\")) or _PATH_DOTS.search(path):
        message = f"the path {path!r} could lead elsewhere; name it in full"
        raise _malformed(message)


def forbidden(message: str) -> RefusedRequestError:
    """Make the error of a request that is not let in."""
    return RefusedRequestError(message, status=403, error_type="permission_error")


def _malformed(message: str) -> RefusedRequestError:
    return RefusedRequestError(message, status=400, error_type="invalid_request_error")


TOKEN_VARIABLE: Final = "STREAMTAPE_TOKEN"
TOKEN_HEADER: Final = "x-streamtape-token"

TOKEN_PATH: Final = f"{OWN_PATH}as/"
"""Before the token, at the beginning of a base URL that holds it."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{20,200}")


def find_token(address: str | None, given: str | None, secrets: Secrets) -> str | None:
    """
    Return what requests from elsewhere have to carry; None if none can come.

    Args:
        address: What is listened on besides the loopback interface.
        given: The token to take; None to make one.
        secrets: Gets the token, which is one.

    Raises:
        UsageError: What was given can't be a token.
    """
    if address is None or is_loopback(address):
        return None
    token = given or token_urlsafe(32)
    if not _TOKEN.fullmatch(token):
        message = (
            f"{TOKEN_VARIABLE}: expected 20 to 200 letters, digits or .-_~, got "
            "something else, which is not shown"
        )
        raise UsageError(message)
    secrets.add(token)
    return token


def outer_url(address: str, *, port: int, token: str) -> str:
    """
    Return the base URL for clients elsewhere, with the token.

    Args:
        address: Where the server listens; for all addresses it is this machine's name.
    """
    host = f"[{address}]" if ":" in address else address
    if ip_address(address).is_unspecified:
        host = socket.gethostname()
    return f"http://{host}:{port}{TOKEN_PATH}{token}"


def check_token(
    target: str, sent: str | None, *, token: str | None, is_needed: bool
) -> tuple[str, str]:
    """
    Return the part of a target that holds the token, and the rest; the part is empty
    where there is none.

    Args:
        sent: The header that may hold it instead.
        token: The right one; None if this server has none.
        is_needed: Whether the request must have it.

    Raises:
        RefusedRequestError: It is wrong, or missing where it is needed. Says nothing
            else.
    """
    is_in_path = target.startswith(TOKEN_PATH)
    if token is None and is_in_path:
        message = f"this server has no token; leave {TOKEN_PATH} out of the base URL"
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    if token is None or not (is_needed or is_in_path):
        return "", target
    given = sent or ""
    if is_in_path:
        given = re.split("[/?]", target.removeprefix(TOKEN_PATH), maxsplit=1)[0]
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        raise forbidden("the token of this server is missing, or not the right one")
    if not is_in_path:
        return "", target
    before = f"{TOKEN_PATH}{given}"
    rest = target.removeprefix(before)
    return before, rest if rest.startswith("/") else f"/{rest}"
