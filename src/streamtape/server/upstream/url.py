"""Base URLs that may be an upstream, and what is said of one that is none."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from streamtape.errors import UsageError
from streamtape.server.environment import OWN_PATH
from streamtape.settings import Settings
from streamtape.settings.resolve import DEFAULT_SOURCE
from streamtape.settings.table import BASE_URL_VARIABLE

DEFAULT_UPSTREAM: Final = "https://api.anthropic.com"

_PORTS: Final = {"http": 80, "https": 443}


def check_upstream(url: str, *, port: int) -> str:
    """
    Return the base URL of an upstream in its plain form, without a last slash.

    Args:
        port: Our own port, which the upstream must not be; 0 if not known yet.

    Raises:
        UsageError: It is no such URL, is not encrypted although it is not on this
            machine, holds a password or a token of ours, or leads back to this proxy.
    """
    if "@" in url:
        # Said before anything that shows the URL, and of one that can't be read too.
        message = (
            "the upstream's URL holds a user name or a password, so it is not shown; "
            "keys belong in the client"
        )
        raise UsageError(message)
    if OWN_PATH in url:
        message = (
            "the upstream's URL is that of a streamtape, with its token, so it is not "
            f"shown; name the API instead, such as {DEFAULT_UPSTREAM}"
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


def find_upstream(settings: Settings, *, port: int) -> tuple[str, str]:
    """
    Return the upstream that the settings name, in its plain form, and who said it.

    Where nobody does, and where ``ANTHROPIC_BASE_URL`` leads to this proxy, it is the
    public API: whoever was told to export our address starts us again with it.

    Args:
        port: Our own port; 0 if not known yet.

    Raises:
        UsageError: It can't be an upstream. The keys of a client that is meant for a
            gateway must not go to the API instead.
    """
    url, source = settings.values["upstream"], settings.sources["upstream"]
    is_foreign = source == BASE_URL_VARIABLE
    if url is None or (is_foreign and _is_ours(_split(url), port)):
        return DEFAULT_UPSTREAM, DEFAULT_SOURCE
    try:
        return check_upstream(url, port=port), source
    except UsageError as error:
        hint = "; --upstream goes before it" if is_foreign else ""
        if is_foreign or source.endswith(".toml") or source.startswith("STREAMTAPE_"):
            # Whoever typed it knows where; of the others it has to be said.
            raise UsageError(f"{source}: {error}{hint}") from error
        raise


def with_source(url: str, source: str) -> str:
    """Return an upstream's URL for people, with who said it unless nobody did."""
    return url if source in ("", DEFAULT_SOURCE) else f"{url} (from {source})"


def explain_streamtape(url: str, source: str) -> str:
    """
    Say that an upstream is a streamtape itself, and what to do.

    Args:
        source: Who named it, as in the settings; empty if that is not known.
    """
    if source == BASE_URL_VARIABLE:
        advice = (
            f"unset {source}, or name the API with --upstream or STREAMTAPE_UPSTREAM"
        )
    else:
        advice = f"name the API instead, such as {DEFAULT_UPSTREAM}"
    return (
        f"the upstream {with_source(url, source)} is a streamtape itself, so what it "
        f"answers is neither recorded nor passed on; {advice}"
    )


def _split(url: str) -> SplitResult:
    """Split a URL; the parts are empty where it is none."""
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
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # Python calls one of these a loopback address since 3.13.
        return False
    # A connection to the address that means none stays on this machine.
    return address.is_loopback or address.is_unspecified


def _is_ours(parts: SplitResult, port: int) -> bool:
    upstream_port = parts.port or _PORTS.get(parts.scheme)
    return bool(port) and upstream_port == port and _is_local(parts.hostname or "")
