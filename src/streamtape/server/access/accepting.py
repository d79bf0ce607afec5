"""
Taking the connections that clients open, as many as there is room for.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from streamtape.server.access.connections import Front
from streamtape.server.access.crowd import Crowd

log = logging.getLogger(__name__)

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_PAUSE_S: Final = 0.05
"""The system tells no event when it has room again."""


@contextlib.asynccontextmanager
async def accepting(
    front: Front, crowd: Crowd, sockets: Sequence[socket.socket]
) -> AsyncIterator[None]:
    """
    Accept connections on some sockets until this is left; they stay open.

    One after the other, unlike asyncio's own server, which takes all that wait before
    it looks at any: so that no more are taken than there is room for.
    """
    acceptor = _Acceptor(front, crowd)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(acceptor.accept(each)) for each in sockets]
        # Each comes to wait now, before anybody hears that it does.
        await asyncio.sleep(0)
        yield
        for task in tasks:
            task.cancel()


class _Acceptor:
    def __init__(self, front: Front, crowd: Crowd) -> None:
        self._front = front
        self._crowd = crowd
        self._has_told = False

    async def accept(self, listening: socket.socket) -> None:
        """
        Accept until this is cancelled.
        """
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            await _wait_until_readable(listening)
            await self._crowd.wait_for_room()
            try:
                accepted, _ = listening.accept()
                accepted.setblocking(False)
                make = partial(self._front, has_sent=_has_sent(accepted))
                await loop.connect_accepted_socket(make, accepted)
            except OSError as error:
                await self._bear(error)

    async def _bear(self, error: OSError) -> None:
        """
        Make room if there is none; any other error is of a connection that has gone.
        """
        if error.errno not in _EXHAUSTED:
            return
        if not self._has_told:
            self._has_told = True
            log.warning(
                "%s: new connections wait until others end; ulimit -n tells and "
                "raises the limit",
                error.strerror,
            )
        self._crowd.close_idle()
        await asyncio.sleep(_PAUSE_S)


def _has_sent(accepted: socket.socket) -> bool:
    """
    Whether there is something to be read from a client already.
    """
    try:
        return bool(accepted.recv(1, socket.MSG_PEEK))
    except OSError:
        # Nothing yet, or it has gone, which is found out soon enough.
        return False


async def _wait_until_readable(listening: socket.socket) -> None:
    # Not sock_accept(), which loses what it has accepted when it is cancelled.
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(listening, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(listening)
