"""
Between a connection to the upstream and aiohttp: each chunk, as soon as it is read.

Waiting for aiohttp's reader costs a turn of the event loop and a fifth of the time
per event. So a protocol stands before aiohttp's own: it hands the bytes on, takes
out at once what aiohttp made of them, and calls back. Only public names are used;
connecting, TLS, pooling and framing stay aiohttp's.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from aiohttp import ClientPayloadError, ClientResponse

from streamtape.core.inflate import ENCODINGS, Inflater
from streamtape.server.clock import Clock
from streamtape.server.upstream.headers import encoding_of

_TURN_BYTES: Final = 256 * 1024
"""How much is handed on before the tee pauses, so that nothing heaps up behind it."""


class BrokenBodyError(ClientPayloadError):
    """What came can't be a whole body, although the connection may be sound."""


class Tee(asyncio.Protocol):
    """
    Calls back for every chunk of one response's body.

    Call :meth:`start` in the same turn of the loop in which the response was got;
    then :meth:`wait` until :attr:`is_over`.

    Args:
        on_chunk: Gets the chunk and the time of its arrival in ns.
        came_ns: When what has been read already had come.
    """

    def __init__(
        self,
        response: ClientResponse,
        clock: Clock,
        on_chunk: Callable[[bytes, int], None],
        *,
        came_ns: int,
    ) -> None:
        self.is_over = False
        self.is_paused = False
        self.error: BaseException | None = None
        """Why the body broke off; None while it runs and if its framing ended it."""
        self._response = response
        self._body = BodyChunks(response)
        self._lost: Exception | None = None
        self._clock = clock
        self._on_chunk = on_chunk
        self._changed = asyncio.Event()
        self._last_ns = came_ns
        connection = response.connection
        self._inner = None if connection is None else connection.protocol
        self._transport = None if connection is None else connection.transport

    def start(self) -> None:
        """Step in, and hand on what has been read already."""
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
        """Hand nothing on, and read no more from the upstream; :meth:`wait` returns."""
        if not self.is_over:
            self.is_paused = True
            if self._transport is not None and not self._transport.is_closing():
                self._transport.pause_reading()
            self._changed.set()

    def resume(self) -> None:
        """Read on, and hand on what was held back."""
        self.is_paused = False
        # The upstream could say nothing in the meantime.
        self._last_ns = self._clock.now_ns()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._take_chunks(self._last_ns)

    def close(self) -> None:
        """Leave, and close the connection unless the body is over."""
        self._end(None)
        self._response.close()

    def data_received(self, data: bytes) -> None:
        """A read of the connection: stamp it, then hand it on."""
        at_ns = self._last_ns = self._clock.now_ns()
        assert self._inner is not None
        self._inner.data_received(data)
        self._take_chunks(at_ns)

    def eof_received(self) -> bool | None:
        """The upstream will send no more; the connection closes."""
        assert self._inner is not None
        self._inner.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; a body that ends with it is over now."""
        assert self._inner is not None
        self._inner.connection_lost(exc)
        self._lost = exc
        self._take_chunks(self._clock.now_ns())

    def pause_writing(self) -> None:
        """Flow control of the request's body; none of our business."""
        assert self._inner is not None
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Flow control of the request's body; none of our business."""
        assert self._inner is not None
        self._inner.resume_writing()

    def _take_chunks(self, at_ns: int) -> None:
        if self.is_over:
            return
        body, content = self._body, self._body.content
        handed_on = 0
        try:
            while not self.is_paused and (chunk := body.take()):
                self._on_chunk(chunk, at_ns)
                handed_on += len(chunk)
                if handed_on >= _TURN_BYTES:
                    self.pause()
        except zlib.error:
            self._end(BrokenBodyError("the body is not compressed as it says"))
            return
        if content.is_eof():
            self._give_back()
        if self.is_paused and body.may_have_more:
            return
        error = self._lost or content.exception()
        if error is not None:
            self._end(error)
        elif content.at_eof():
            cut_off = BrokenBodyError("the compressed body is cut off")
            self._end(None if body.is_whole else cut_off)
        elif self._transport is None or self._transport.is_closing():
            # aiohttp closes on bad framing but does not tell its reader.
            self._end(BrokenBodyError("the framing of the body is broken"))

    def _end(self, error: BaseException | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.error = error
        # Whoever is called back holds this: a circle that would keep all of a recording
        # until a collector comes by.
        self._on_chunk = _drop
        self._give_back()
        self._changed.set()

    def _give_back(self) -> None:
        """Step out of the connection, which may serve another request from now on."""
        transport, self._transport = self._transport, None
        if transport is None or self._inner is None or transport.is_closing():
            # One of TLS that closes can't take another protocol any more; what it
            # still has to tell is passed on.
            return
        if self.is_paused:
            transport.resume_reading()
        transport.set_protocol(self._inner)


def _drop(chunk: bytes, at_ns: int) -> None:
    """Take a chunk of a body that is over."""


class BodyChunks:
    """The chunks of one response's body, freed from their framing and encoding."""

    def __init__(self, response: ClientResponse) -> None:
        self.content = response.content
        """Whence they are taken; what it says of errors and its end is true."""
        self._taken_bytes = 0
        encoding = encoding_of(response.headers)
        self._decoder = Inflater(encoding) if encoding in ENCODINGS else None

    @property
    def is_whole(self) -> bool:
        """Whether it may end here, as far as its encoding says."""
        return self._decoder is None or self._decoder.is_whole

    @property
    def may_have_more(self) -> bool:
        """Whether there may be something to take without a further read."""
        content = self.content
        return self._decoder is not None or (
            content.exception() is None and self._taken_bytes < content.total_bytes
        )

    def take(self) -> bytes:
        """
        Return what came and was not taken yet; empty if that is all.

        Raises:
            zlib.error: It is not compressed as it says.
        """
        decoder, content = self._decoder, self.content
        while decoder is None or not (chunk := decoder.take()):
            # Taking some may bring more, which aiohttp had held back.
            if content.exception() is not None:
                return b""
            if self._taken_bytes == content.total_bytes:
                return b""
            chunk = content.read_nowait()
            self._taken_bytes += len(chunk)
            if decoder is None:
                break
            decoder.put(chunk)
        return chunk
