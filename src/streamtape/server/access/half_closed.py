"""
Clients that say they will send no more, and still wait for their answer.

On the wire they look like clients that have left, until something is sent to them: who
has left answers with a reset. So those that wait for the beginning of an answer are
told to go on waiting, which means nothing to them.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import HttpVersion11, web

_PROBE_S: Final = 1.0
"""How often it is tried whether somebody waits; of a reset the next try tells."""

_PROBE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Any number of these may come before an answer; there is no other that all skip."""

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
            loop.call_later(_PROBE_S, self._probe)

    def _probe(self) -> None:
        """
        Find out whether the client is still there, until its answer begins.
        """
        request, transport = self._current_request, self.transport
        if transport is None or request is None or _has_begun(request):
            # What is sent to it from now on finds it out.
            return
        # Those of HTTP/1.0 would take it for the answer: they are waited for.
        if request.version >= HttpVersion11:
            transport.write(_PROBE)
            asyncio.get_running_loop().call_later(_PROBE_S, self._probe)


def _has_begun(request: web.BaseRequest) -> bool:
    return request.writer.output_size > 0
