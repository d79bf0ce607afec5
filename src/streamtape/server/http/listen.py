"""
Sockets to listen on: the loopback interface, and what was asked for besides.

A port is taken when the start begins, and listens when it is over: until then the
system refuses who comes, who would otherwise wait for the start and have all of its
first answer late by that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from streamtape.errors import UsageError

log = logging.getLogger(__name__)

_WAITING: Final = 1024
"""Connections that the system keeps until they are accepted."""

_LOCALS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def bind(port: int, *, besides: str | None = None) -> list[socket.socket]:
    """
    Take a port of the loopback interface: of IPv4, and of IPv6 where there is one.

    Nobody can connect before :func:`listen`.

    Args:
        port: 0 picks a free one.
        besides: Another address of this machine; that of all addresses holds the
            loopback's too. None, 127.0.0.1 or ::1 for nothing more.

    Raises:
        UsageError: The port is taken, or may not be used, or the address is none of
            this machine, or a further one of the loopback interface.
    """
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, host in _addresses(besides):
            if sockets:
                port = sockets[0].getsockname()[1]
            try:
                bound = _bind(family, host, port)
            except OSError as error:
                if host != "::1":
                    raise _refusal(host, port, error) from error
                if error.errno == errno.EADDRINUSE:
                    log.warning(
                        "port %s of ::1 is taken by another program, and localhost may "
                        "lead there; name 127.0.0.1 in base URLs",
                        port,
                    )
                # Else this machine has no IPv6.
                continue
            sockets.append(opened.enter_context(bound))
        opened.pop_all()
    return sockets


def listen(sockets: Iterable[socket.socket]) -> None:
    """
    Let clients connect.

    Raises:
        UsageError: Another program has come to listen on the port first.
    """
    for bound in sockets:
        try:
            bound.listen(_WAITING)
        except OSError as error:
            host, port, *_ = bound.getsockname()
            raise _refusal(host, port, error) from error


def is_loopback(address: str) -> bool:
    """Whether an IP address is one that only this machine can reach."""
    return ip_address(address.partition("%")[0]).is_loopback


def _addresses(besides: str | None) -> list[tuple[socket.AddressFamily, str]]:
    """Return what to listen on; the first one is always there."""
    hosts = dict(_LOCALS)
    if besides is None or besides in hosts.values():
        return list(hosts.items())
    if is_loopback(besides):
        message = (
            f"listen {besides}: of the loopback interface this server takes 127.0.0.1 "
            "and ::1, and it does so without being told to"
        )
        raise UsageError(message)
    address = ip_address(besides)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    if address.is_unspecified:
        # A port can't be bound both as a whole and at one address.
        hosts[family] = besides
        return list(hosts.items())
    return [*hosts.items(), (family, besides)]


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Elsewhere this would let two servers take one port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OverflowError as error:
        bound.close()
        raise UsageError(f"port {port}: expected a number up to 65535") from error
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} is taken; choose another with --port, or 0 for a free one"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"listen {host}: this machine has no such address")
    return UsageError(f"port {port} can't be used: {error.strerror}")
