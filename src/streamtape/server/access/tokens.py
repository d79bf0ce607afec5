"""
The token of a server that listens to more than this machine.

It stands in the base URL, where every client keeps it, or in a header. It is never
forwarded, matched, recorded or logged.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
from ipaddress import ip_address
from typing import Final

from streamtape.core.secrecy.secrets import remember_secret
from streamtape.errors import RefusedRequestError, UsageError
from streamtape.server.access.guard import forbidden
from streamtape.server.access.listen import is_loopback
from streamtape.server.environment import OWN_PATH

TOKEN_VARIABLE: Final = "STREAMTAPE_TOKEN"
TOKEN_HEADER: Final = "x-streamtape-token"

TOKEN_PATH: Final = f"{OWN_PATH}as/"
"""Before the token, at the beginning of a base URL that holds it."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{20,200}")


def find_token(address: str | None, given: str | None) -> str | None:
    """
    Return what requests from elsewhere have to carry; None if none can come.

    Args:
        address: What is listened on besides the loopback interface.
        given: The token to take; None to make one.

    Raises:
        UsageError: What was given can't be a token.
    """
    if address is None or is_loopback(address):
        return None
    token = given or secrets.token_urlsafe(32)
    if not _TOKEN.fullmatch(token):
        message = (
            f"{TOKEN_VARIABLE}: expected 20 to 200 letters, digits or .-_~, got "
            "something else, which is not shown"
        )
        raise UsageError(message)
    remember_secret(token)
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
