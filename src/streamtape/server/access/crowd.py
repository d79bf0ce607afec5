"""
Who is connected, and who of them is asking something.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from streamtape.server.access.limits import REFUSED_AT_ONCE


class Guest(Protocol):
    """
    One connection of a client.
    """

    @property
    def has_sent_all(self) -> bool:
        """
        Whether nothing of an answer waits for the client to read.
        """

    def force_close(self) -> None:
        """
        Close it now.
        """


class Crowd:
    """
    All connections to one server.

    Those on which nothing is asked are in nobody's way: when there are too many, the
    one that has been so for longest is closed.

    Args:
        most_asking: How many may ask at the same time; a few more are let in, to be
            told so.
    """

    def __init__(self, *, most_asking: int) -> None:
        self.most_asking = most_asking
        self._open: set[Guest] = set()
        self._idle: dict[Guest, None] = {}
        """Those on which no request is being answered, the longest idle first."""
        self._changed = asyncio.Event()

    @property
    def has_too_many(self) -> bool:
        """
        Whether more ask than may.
        """
        return len(self._open) - len(self._idle) > self.most_asking

    def enter(self, guest: Guest) -> None:
        """
        Count a connection, on which nothing is asked yet.
        """
        self._open.add(guest)
        self._idle[guest] = None

    def leave(self, guest: Guest) -> None:
        """
        Count it no longer.
        """
        self._open.discard(guest)
        self._idle.pop(guest, None)
        self._changed.set()

    def ask(self, guest: Guest) -> None:
        """
        Note that a request has begun.
        """
        self._idle.pop(guest, None)

    def rest(self, guest: Guest) -> None:
        """
        Note that a request was answered, and that the next may take a while.
        """
        if guest in self._open:
            self._idle[guest] = None
            self._changed.set()

    def is_idle(self, guest: Guest) -> bool:
        """
        Whether nothing is asked on a connection.
        """
        return guest in self._idle

    async def wait_for_room(self) -> None:
        """
        Wait until one more connection may be accepted; closes an idle one for that.
        """
        while len(self._open) >= self.most_asking + REFUSED_AT_ONCE:
            self._changed.clear()
            self.close_idle()
            await self._changed.wait()

    def close_idle(self) -> None:
        """
        Close the connection that has been idle for longest, if any is.
        """
        for guest in self._idle:
            if guest.has_sent_all:
                del self._idle[guest]
                guest.force_close()
                return
