"""
An upstream and its clients in one thread, one event in flight per stream.

The upstream sends the next event only when the client has the whole of the last
one. So events never share a read, no system gets cheaper by lumping them, and a
stall of the machine is charged to one event instead of all that queue up.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.measure import digest, no_garbage_collection
from bench.streams import Stream
from bench.wire import Plan, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STALL_S = 20.0
_READ_SIZE = 65_536


@dataclass(slots=True)
class Outcome:
    """What the clients of one run saw."""

    first_ns: list[int] = field(default_factory=list)
    """From sending each request to having its first event."""
    latencies_ns: list[int] = field(default_factory=list)
    """From the upstream's send to the client's having the event, but for the first."""
    elapsed_ns: int = 0
    events: int = 0
    bodies: int = 0
    wrong: int = 0
    """Bodies whose hash isn't that of what the upstream sent."""


class Lockstep:
    """Both ends of every connection, and the upstream's port."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._clients: dict[int, _Client] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._watch(self._listener, self._accept)

    def run(self, port: int, queues: Sequence[Sequence[Plan]]) -> Outcome:
        """
        Run one client per queue, all at once, each asking for its streams in turn.

        Args:
            port: Of the system, or this upstream's own.
            queues: No two of their streams have the same number.

        Raises:
            TimeoutError: Nothing arrived anywhere for 20 s.
        """
        outcome = Outcome()
        clients = [_Client(port, queue, outcome) for queue in queues]
        self._clients = {
            plan.stream.number: client
            for client, queue in zip(clients, queues, strict=True)
            for plan in queue
        }
        for client in clients:
            self._watch(client.socket, client.on_readable)
        with no_garbage_collection():
            started_ns = time.monotonic_ns()
            for client in clients:
                client.ask()
            self._serve(until=len(self._clients), outcome=outcome)
            outcome.elapsed_ns = time.monotonic_ns() - started_ns
        for client in clients:
            self._forget(client.socket)
        return outcome

    def _serve(self, *, until: int, outcome: Outcome) -> None:
        handlers = self._handlers
        while outcome.bodies < until:
            ready = self._epoll.poll(_STALL_S)
            if not ready:
                raise TimeoutError(f"nothing arrived for {_STALL_S} s")
            for descriptor, _ in ready:
                handlers[descriptor]()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""

        def on_readable() -> None:
            nonlocal request
            data = connection.recv(_READ_SIZE)
            if not data:
                self._forget(connection)
                return
            request += data
            stream = Stream.find(request)
            if stream is not None:
                request = b""
                self._clients[stream.number].answer(connection)

        self._watch(connection, on_readable)

    def _watch(self, connection: socket.socket, handler: Callable[[], None]) -> None:
        self._handlers[connection.fileno()] = handler
        self._epoll.register(connection, select.EPOLLIN)

    def _forget(self, connection: socket.socket) -> None:
        self._epoll.unregister(connection)
        del self._handlers[connection.fileno()]
        connection.close()


class _Client:
    """One connection's client, and the upstream of whatever it has asked for."""

    def __init__(self, port: int, queue: Sequence[Plan], outcome: Outcome) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._outcome = outcome
        self._queue = [(plan, plan.stream.request(port)) for plan in reversed(queue)]

    def ask(self) -> None:
        """Send the next request of the queue, if there is one."""
        if not self._queue:
            return
        self._plan, request = self._queue.pop()
        self._reader = ResponseReader()
        self._sent = 0
        self._asked_ns = time.monotonic_ns()
        self.socket.sendall(request)

    def answer(self, upstream: socket.socket) -> None:
        """Begin the response on the connection that the request came in by."""
        self._upstream = upstream
        self._send_next()

    def _send_next(self) -> None:
        data = self._plan.writes[self._sent]
        self._awaited = self._plan.ends[self._sent]
        self._sent += 1
        self._sent_ns = time.monotonic_ns()
        self._upstream.sendall(data)

    def on_readable(self) -> None:
        """Take what came; if the event is whole, let the next one follow."""
        data = self.socket.recv(_READ_SIZE)
        now_ns = time.monotonic_ns()
        if not data:
            raise ConnectionError("the system closed the connection")
        reader = self._reader
        reader.feed(data)
        if reader.length >= self._awaited:
            if self._sent == 1:
                self._outcome.first_ns.append(now_ns - self._asked_ns)
            else:
                self._outcome.latencies_ns.append(now_ns - self._sent_ns)
            if self._sent < len(self._plan.writes):
                self._send_next()
            else:
                # The end of the body may come in a read of its own.
                self._awaited = sys.maxsize
        if reader.done:
            self._finish(reader)

    def _finish(self, reader: ResponseReader) -> None:
        outcome = self._outcome
        outcome.bodies += 1
        outcome.events += len(self._plan.ends)
        outcome.wrong += digest(reader.parts) != self._plan.digest
        self.ask()
