"""
Base URLs that may be an upstream, and the one that is taken where none is said.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from streamtape.errors import UsageError

DEFAULT_UPSTREAM: Final = "https://api.anthropic.com"

_PORTS: Final = {"http": 80, "https": 443}


def check_upstream(url: str, *, port: int) -> str:
    """
    Return the base URL of an upstream in its plain form, without a last slash.

    Args:
        port: Our own port, which the upstream must not be; 0 if not known yet.

    Raises:
        UsageError: It is no such URL, is not encrypted although it is not on this
            machine, holds a password, or leads back to this proxy.
    """
    if "@" in url:
        # Said before anything that shows the URL, and of one that can't be read too.
        message = (
            "the upstream's URL holds a user name or a password, so it is not shown; "
            "keys belong in the client"
        )
        raise UsageError(message)
    parts = _split(url)
    has_extra = bool(parts.query or parts.fragment)
    if parts.scheme not in _PORTS or not parts.hostname or has_extra:
        message = f"upstream {url!r}: expected a base URL such as {DEFAULT_UPSTREAM}"
        raise UsageError(message)
    if parts.scheme == "http" and not _is_local(parts.hostname):
        message = f"upstream {url!r}: keys would go there unencrypted; use https"
        raise UsageError(message)
    if _is_ours(parts, port):
        message = f"upstream {url!r} is this proxy itself; name the API behind it"
        raise UsageError(message)
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def default_upstream(*, port: int) -> str:
    """
    Return what ``ANTHROPIC_BASE_URL`` says unless that is this proxy, else the API.

    Raises:
        UsageError: The variable holds what can't be an upstream. The keys of a
            client that is meant for a gateway must not go to the API instead.
    """
    url = os.environ.get("ANTHROPIC_BASE_URL")
    if not url or _is_ours(_split(url), port):
        return DEFAULT_UPSTREAM
    try:
        return check_upstream(url, port=port)
    except UsageError as error:
        message = f"ANTHROPIC_BASE_URL: {error}; --upstream goes before it"
        raise UsageError(message) from error


def _split(url: str) -> SplitResult:
    """
    Split a URL; the parts are empty where it is none.
    """
    try:
        parts = urlsplit(url)
        # Reading the port is what finds out that it is none.
        return parts if parts.port != 0 else urlsplit("")
    except ValueError:
        return urlsplit("")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # A connection to the address that means none stays on this machine.
    return address.is_loopback or address.is_unspecified


def _is_ours(parts: SplitResult, port: int) -> bool:
    upstream_port = parts.port or _PORTS.get(parts.scheme)
    return bool(port) and upstream_port == port and _is_local(parts.hostname or "")
