"""
Connections of clients: taken while there is room, and told when they ask wrongly.

How long they may take to ask, and what they are told when there are too many, or when
what they send is no HTTP. Clients that say they will send no more, and still wait, look
like clients that have left, until something is sent to them: who has left answers with
a reset. So those that wait for the beginning of an answer are told to go on waiting,
which means nothing to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import HttpVersion11, http_exceptions, web

from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import RefusedRequestError, StreamtapeError
from streamtape.server.answers import error_answer
from streamtape.server.clock import Clock
from streamtape.server.http.aiohttp_compat import current_request, is_asked_nothing
from streamtape.server.http.limits import MOST_REQUESTS, ConnectionLimiter

log = logging.getLogger(__name__)

_PROBE_S: Final = 1.0
"""How often it is tried whether somebody waits; of a reset the next try tells."""

_PROBE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Any number of these may come before an answer; there is no other that all skip."""

_TURNS: Final = 3


class PatientHandler(web.RequestHandler):
    """One connection, kept open for the answer to a request that came whole."""

    __slots__ = ()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """The client sends no more; return whether to keep the connection open."""
        if is_asked_nothing(self):
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
        request = current_request(self)
        if request is None and turns:
            loop.call_soon(self._look, turns - 1)
        elif request is None or not request.content.is_eof() or _has_begun(request):
            self.transport.close()
        else:
            loop.call_later(_PROBE_S, self._probe)

    def _probe(self) -> None:
        """Find out whether the client is still there, until its answer begins."""
        request, transport = current_request(self), self.transport
        if transport is None or request is None or _has_begun(request):
            # What is sent to it from now on finds it out.
            return
        # Those of HTTP/1.0 would take it for the answer: they are waited for.
        if request.version >= HttpVersion11:
            transport.write(_PROBE)
            asyncio.get_running_loop().call_later(_PROBE_S, self._probe)


def _has_begun(request: web.BaseRequest) -> bool:
    return request.writer.output_size > 0


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LINGER_S: Final = 2.0
"""How long a body is still read that was refused: else its client might not see why."""

_quiet = logging.getLogger(f"{__name__}.aiohttp")
# aiohttp's own log lines quote requests, keys included.
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class HttpServer(web.Server):
    """
    The connections of clients to one server.

    Args:
        handler: Answers a request; it must not raise.
        limiter: Counts them. A request too many is refused with status 529.
        secrets: What to keep out of its answers.
        clock: Says when a request came.
        head_limit_s: How long the head of a request may take, from its first byte,
            or from the beginning of its connection.
    """

    def __init__(
        self,
        handler: Handler,
        limiter: ConnectionLimiter,
        secrets: Secrets,
        clock: Clock,
        *,
        head_limit_s: float,
    ) -> None:
        super().__init__(
            self._answer, request_factory=self._begin, handler_cancellation=True
        )
        self._handler = handler
        self._limiter = limiter
        self._clock = clock
        self._secrets = secrets
        self._head_limit_s = head_limit_s
        self._has_told = False

    def __call__(self, *, has_sent: bool = False) -> Connection:
        """
        Make the protocol of a connection that was accepted.

        Args:
            has_sent: Whether its client has sent something already.
        """
        return Connection(
            self,
            self._limiter,
            self._secrets,
            self._clock,
            head_limit_s=self._head_limit_s,
            has_sent=has_sent,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._limiter.has_too_many:
            return await self._handler(request)
        message = (
            f"{self._limiter.most_asking} requests are being answered, and no more are "
            "taken at the same time; a higher limit of open files (ulimit -n) allows "
            f"up to {MOST_REQUESTS}"
        )
        if not self._has_told:
            self._has_told = True
            log.warning("refused: %s", message)
        error = RefusedRequestError(message, status=529, error_type="overloaded_error")
        response = error_answer(error, self._secrets)
        response.force_close()
        return response

    def _begin(
        self,
        message: Any,
        payload: Any,
        connection: Any,
        writer: Any,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        # aiohttp has no public names for the types of these.
        connection.begin_request()
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, connection, writer, task, loop)


class Connection(PatientHandler):
    """
    One connection of a client.

    It closes when the head of a request takes too long, and what can't be read as
    HTTP is answered without a word of it.
    """

    __slots__ = (
        "_clock",
        "_has_sent",
        "_head_limit_s",
        "_limiter",
        "_secrets",
        "_timer",
        "arrived_ns",
    )

    def __init__(
        self,
        server: HttpServer,
        limiter: ConnectionLimiter,
        secrets: Secrets,
        clock: Clock,
        *,
        head_limit_s: float,
        has_sent: bool,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,
            lingering_time=_LINGER_S,
            logger=_quiet,
            # The annotation leaves out that None stands for no log.
            access_log=None,  # type: ignore[arg-type]
        )
        self.arrived_ns = clock.now_ns()
        """
        When the last bytes were there, on the clock: those of a request that has been
        read. Of one that came while another was being answered, when that was over.
        """
        self._clock = clock
        self._limiter = limiter
        self._has_sent = has_sent
        self._secrets = secrets
        self._head_limit_s = head_limit_s
        self._timer: asyncio.TimerHandle | None = None

    @property
    def has_sent_all(self) -> bool:
        """Whether nothing of an answer waits for the client to read."""
        return self.transport is None or not self.transport.get_write_buffer_size()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, but not for long."""
        super().connection_made(transport)
        self._limiter.enter(self)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        self._stop_timer()
        self._limiter.leave(self)
        if exc is not None:
            # The request keeps it, and it would keep the frames of what was written.
            exc = exc.with_traceback(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what comes while nothing is asked is the beginning of a head."""
        if data:
            if self._has_sent:
                # It was here when the connection was accepted, some turns ago.
                self._has_sent = False
            else:
                self.arrived_ns = self._clock.now_ns()
            if self._timer is None and self._limiter.is_idle(self):
                self._start_timer()
        super().data_received(data)

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; then nothing is asked any more."""
        finished = await super().finish_response(request, resp, start_time)
        self.arrived_ns = self._clock.now_ns()
        self._limiter.rest(self)
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what can't be read, and close; what it was is not repeated."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, so there can be no other")
        error: StreamtapeError
        if isinstance(exc, http_exceptions.HttpProcessingError):
            outcome = _explain(exc)
            error = RefusedRequestError(
                outcome, status=400, error_type="invalid_request_error"
            )
            log.info("refused: %s", outcome)
        else:
            error = StreamtapeError("a defect of streamtape itself")
            log.error("%s", error, exc_info=exc)
        response = error_answer(error, self._secrets)
        response.force_close()
        return response

    def begin_request(self) -> None:
        """The head of a request is there."""
        self._limiter.ask(self)
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._head_limit_s, self.force_close)


def _explain(error: http_exceptions.HttpProcessingError) -> str:
    match error:
        case http_exceptions.BadStatusLine():
            return (
                "what came does not begin as HTTP/1.1 does; a base URL here begins "
                "with http://, not https://"
            )
        case http_exceptions.LineTooLong():
            return "the first line of the request, or one of its headers, is too long"
        case http_exceptions.InvalidHeader():
            return "a header of the request is not as HTTP/1.1 has it"
        case http_exceptions.InvalidURLError():
            return "the target of the request is no URL"
        case _:
            return "the head of the request is not as HTTP/1.1 has it"


_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_PAUSE_S: Final = 0.05
"""The system tells no event when it has room again."""


@contextlib.asynccontextmanager
async def accepting(
    server: HttpServer, limiter: ConnectionLimiter, sockets: Sequence[socket.socket]
) -> AsyncIterator[None]:
    """
    Accept connections on some sockets until this is left; they stay open.

    One after the other, unlike asyncio's own server, which takes all that wait before
    it looks at any: so that no more are taken than there is room for.
    """
    acceptor = _Acceptor(server, limiter)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(acceptor.accept(each)) for each in sockets]
        # Each comes to wait now, before anybody hears that it does.
        await asyncio.sleep(0)
        yield
        for task in tasks:
            task.cancel()


class _Acceptor:
    def __init__(self, server: HttpServer, limiter: ConnectionLimiter) -> None:
        self._server = server
        self._limiter = limiter
        self._has_told = False

    async def accept(self, listening: socket.socket) -> None:
        """Accept until this is cancelled."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            await _wait_until_readable(listening)
            await self._limiter.wait_for_room()
            try:
                accepted, _ = listening.accept()
                accepted.setblocking(False)
                make = partial(self._server, has_sent=_has_sent(accepted))
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
        self._limiter.close_idle()
        await asyncio.sleep(_PAUSE_S)


def _has_sent(accepted: socket.socket) -> bool:
    """Whether there is something to be read from a client already."""
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
