"""
Between a connection to the upstream and aiohttp: each chunk, as soon as it is read.

Waiting for aiohttp's reader costs a turn of the event loop and a fifth of the time
per event. So a protocol stands before aiohttp's own: it hands the bytes on, takes
out at once what aiohttp made of them, and calls back. Only public names are used;
connecting, TLS, pooling and decoding stay aiohttp's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import ClientPayloadError, ClientResponse

from streamtape.server.clock import Clock

_LONG_READ_BYTES: Final = 32 * 1024


class Tee(asyncio.Protocol):
    """
    Calls back for every chunk of one response's body.

    Call :meth:`start` in the same turn of the loop in which the response was got;
    then :meth:`wait` until :attr:`is_over`.

    Args:
        on_chunk: Gets the chunk and the time of its arrival in ns.
    """

    def __init__(
        self,
        response: ClientResponse,
        clock: Clock,
        on_chunk: Callable[[bytes, int], None],
    ) -> None:
        self.is_over = False
        self.is_paused = False
        self.error: BaseException | None = None
        """Why the body broke off; None while it runs and if its framing ended it."""
        self._response = response
        self._content = response.content
        self._is_encoded = "Content-Encoding" in response.headers
        self._clock = clock
        self._on_chunk = on_chunk
        self._changed = asyncio.Event()
        self._last_ns = clock.now_ns()
        connection = response.connection
        self._inner = None if connection is None else connection.protocol
        self._transport = None if connection is None else connection.transport

    def start(self) -> None:
        """
        Step in, and hand on what has been read already.
        """
        if self._transport is not None:
            self._transport.set_protocol(self)
        self._take_chunks(self._last_ns)

    async def wait(self, idle_ns: int) -> None:
        """
        Return when the body is over or was paused.

        Raises:
            TimeoutError: Nothing came for `idle_ns`.
        """
        while not self._changed.is_set():
            left_ns = self._last_ns + idle_ns - self._clock.now_ns()
            if left_ns <= 0 and not self.is_paused:
                raise TimeoutError
            try:
                async with asyncio.timeout(left_ns / 1e9):
                    await self._changed.wait()
            except TimeoutError:
                # Chunks may have come in the meantime.
                continue
        self._changed.clear()

    def pause(self) -> None:
        """
        Read no more from the upstream; :meth:`wait` returns.
        """
        if self._transport is not None and not self.is_over:
            self.is_paused = True
            self._transport.pause_reading()
            self._changed.set()

    def resume(self) -> None:
        """
        Read on.
        """
        self.is_paused = False
        self._last_ns = self._clock.now_ns()
        if self._transport is not None and not self.is_over:
            self._transport.resume_reading()

    def close(self) -> None:
        """
        Leave, and close the connection unless the body is over.
        """
        self._end(None)
        self._response.close()

    def data_received(self, data: bytes) -> None:
        """
        A read of the connection: stamp it, then hand it on.
        """
        at_ns = self._last_ns = self._clock.now_ns()
        assert self._inner is not None
        self._inner.data_received(data)
        self._take_chunks(at_ns)

    def eof_received(self) -> bool | None:
        """
        The upstream will send no more; the connection closes.
        """
        assert self._inner is not None
        self._inner.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """
        The connection is gone; a body that ends with it is over now.
        """
        assert self._inner is not None
        self._inner.connection_lost(exc)
        self._take_chunks(self._clock.now_ns(), lost=exc)

    def pause_writing(self) -> None:
        """
        Flow control of the request's body; none of our business.
        """
        assert self._inner is not None
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """
        Flow control of the request's body; none of our business.
        """
        assert self._inner is not None
        self._inner.resume_writing()

    def _take_chunks(self, at_ns: int, *, lost: Exception | None = None) -> None:
        if self.is_over:
            return
        content = self._content
        while content.exception() is None and (chunk := content.read_nowait()):
            self._on_chunk(chunk, at_ns)
            # After a long read aiohttp may have more, which it had held back.
            if len(chunk) < _LONG_READ_BYTES and not self._is_encoded:
                break
        error = lost or content.exception()
        if error is not None:
            self._end(error)
        elif content.at_eof():
            self._end(None)
        elif self._transport is None or self._transport.is_closing():
            # aiohttp closes on bad framing but does not tell its reader.
            self._end(ClientPayloadError("the framing of the body is broken"))

    def _end(self, error: BaseException | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.error = error
        if self._transport is not None and self._inner is not None:
            if self.is_paused:
                # The connection may serve another request, and has to be read.
                self._transport.resume_reading()
            self._transport.set_protocol(self._inner)
        self._changed.set()
