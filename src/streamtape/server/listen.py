"""
Sockets to listen on: the loopback interface, and no other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from streamtape.errors import UsageError


def listen(port: int) -> list[socket.socket]:
    """
    Listen on the loopback interface: IPv4, and IPv6 where there is one.

    Raises:
        UsageError: The port is taken, or may not be used.
    """
    sockets = [_bind(socket.AF_INET, "127.0.0.1", port)]
    with contextlib.suppress(UsageError, OSError):
        # Some clients resolve localhost to the IPv6 address alone.
        sockets.append(_bind(socket.AF_INET6, "::1", sockets[0].getsockname()[1]))
    return sockets


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        # Elsewhere this would let two servers take one port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(1024)
    except OverflowError as error:
        bound.close()
        raise UsageError(f"port {port}: expected a number up to 65535") from error
    except OSError as error:
        bound.close()
        message = f"port {port} can't be used: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {port} is taken; choose another with --port, or 0 for a free one"
            )
        raise UsageError(message) from error
    return bound
