from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from streamtape.errors import UsageError
from streamtape.server.http.listen import bind, listen


@contextmanager
def bound(port: int = 0) -> Iterator[tuple[list[socket.socket], int]]:
    """Take a port; gives its sockets and its number."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(each) for each in bind(port)]
        yield sockets, sockets[0].getsockname()[1]


def connect(port: int) -> int:
    """Try to connect; returns the system's error, 0 for none."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port))


def test_nobody_connects_to_a_port_before_it_listens() -> None:
    """Whoever comes during a start is refused, and does not wait for it."""
    with bound() as (sockets, port):
        early = connect(port)
        listen(sockets)
        late = connect(port)

    assert (early, late) == (errno.ECONNREFUSED, 0)


def test_of_two_that_start_on_one_port_the_second_to_listen_is_told() -> None:
    """The system may let both take it; only one can listen."""
    with bound() as (first, port), bound(port) as (second, _):
        listen(first)
        with pytest.raises(UsageError, match=f"port {port} is taken"):
            listen(second)


def test_a_port_that_listens_can_not_be_taken() -> None:
    """That is found out before the library is read."""
    with bound() as (sockets, port):
        listen(sockets)
        with pytest.raises(UsageError, match=f"port {port} is taken"):
            bind(port)


def test_a_free_port_can_be_taken_again_while_an_old_connection_lingers() -> None:
    """The system keeps a connection for a minute for the side that closed first."""
    with bound() as (sockets, port):
        listen(sockets)
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = sockets[0].accept()
            accepted.close()
            assert client.recv(1) == b""

    with bound(port) as (sockets, again):
        listen(sockets)
        assert (again, connect(port)) == (port, 0)
