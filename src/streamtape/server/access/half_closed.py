"""
Clients that say they will send no more, and still wait for their answer.

On the wire they look like clients that have left. So they are believed for a while
and before their answer has begun; whoever has left is found out by what is sent.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

_GRACE_S: Final = 2.0
"""How soon the answer has to begin."""

_TURNS: Final = 3


class PatientHandler(web.RequestHandler):
    """
    One connection, kept open for the answer to a request that came whole.
    """

    __slots__ = ()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """
        The client sends no more; return whether to keep the connection open.
        """
        is_waiting = self._waiter is not None
        if is_waiting and not self._messages:
            return False
        # No further request can come, so this answer is the last.
        self.close()
        asyncio.get_running_loop().call_soon(self._look, _TURNS)
        return True

    def _look(self, turns: int) -> None:
        """
        Close, unless there is a whole request whose answer has not begun.

        Args:
            turns: Of the loop, in which aiohttp may still come to the request.
        """
        if self.transport is None or self.transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        request = self._current_request
        if request is None and turns:
            loop.call_soon(self._look, turns - 1)
        elif request is None or not request.content.is_eof() or _has_begun(request):
            self.transport.close()
        else:
            loop.call_later(_GRACE_S, self._lose_patience)

    def _lose_patience(self) -> None:
        request = self._current_request
        if self.transport is None or request is None or _has_begun(request):
            return
        self.transport.abort()


def _has_begun(request: web.BaseRequest) -> bool:
    return request.writer.output_size > 0
