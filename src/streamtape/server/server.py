"""
A server in a thread of its own: what it needs, its sockets, start and stop.

What would fail in the middle of a run is found out at its start. Also what a
program's environment has to say so that its SDK asks this server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from streamtape.core.modes import RecordMode
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import UsageError
from streamtape.library.disk import Disk
from streamtape.server.clock import Clock, SystemClock
from streamtape.server.config import Config, adjust
from streamtape.server.dispatch import Dispatcher
from streamtape.server.environment import environment
from streamtape.server.forward import Upstreams
from streamtape.server.handler import RequestHandler
from streamtape.server.http.connections import HttpServer, accepting
from streamtape.server.http.guard import find_token, outer_url
from streamtape.server.http.limits import ConnectionLimiter, find_most_requests
from streamtape.server.http.listen import bind, listen
from streamtape.server.scopes import Scopes, is_scope_name
from streamtape.server.summary import Summary, summarise
from streamtape.server.thread import LoopThread
from streamtape.server.upstream.url import check_upstream

_STOP_LIMIT_S: Final = 0.5
"""
How long answers that still run may take to end when the server stops; aiohttp waits
for it twice.
"""


class RunningServer:
    """
    A proxy with a thread and an event loop of its own, for sync and async code alike.

    A context manager; the server listens once it is entered, and when it is left
    everything that was recorded is on the disk.

    Args:
        config: What to serve.
        secrets: What to keep out of all that it writes and logs, for a caller who
            says it elsewhere too; None for its own. Those of the environment and of
            clients are added.
        disk: Where to record; None for the usual one.
        before_listening: Called when all else of the start is done, in the thread of
            the server; what it does then makes no first answer late.

    Raises:
        UsageError: On entering: the port is taken, the library is no folder or
            can't be written to, the upstream can't be one, or the certificates to
            trust can't be read.
    """

    def __init__(
        self,
        config: Config,
        *,
        secrets: Secrets | None = None,
        disk: Disk | None = None,
        before_listening: Callable[[], None] | None = None,
    ) -> None:
        self.config = config
        self.secrets = Secrets() if secrets is None else secrets
        self.base_url = ""
        """What to set as a client's base URL, without ``/v1``."""
        self.outer_url = ""
        """The same for clients elsewhere, with the token; empty if none can come."""
        self.scopes = Scopes(config, disk)
        self._before_listening = before_listening
        self._dispatcher: Dispatcher
        self._thread = LoopThread(self._serve)

    @property
    def summary(self) -> Summary:
        """What came of the run, so far while the server runs."""
        return summarise(self.config, self.scopes)

    @property
    def env(self) -> dict[str, str]:
        """What to add to the environment of a program that is to use this server."""
        return environment(self.base_url, replays=self.config.replays_only)

    def scope(self, name: str, **settings: object) -> RunningScope:
        """
        Return the part of this server that works on one sub-folder of the library.

        Args:
            name: The folder's path within the library, with slashes.
            settings: What differs there, by the names in docs/configuration.md, such
                as ``mode`` and ``speed``. Where there is any, the scope begins anew.

        Raises:
            UsageError: The name is none of a folder, a setting can't be that, or
                the mode needs an upstream and this server has none.
        """
        if not is_scope_name(name):
            message = f"scope {name!r}: expected a folder within the library"
            raise UsageError(message)
        if settings:
            policy = self.config.scopes.get(name, self.config.policy)
            policy = adjust(policy, settings)
            if policy.mode is not RecordMode.NONE and self.config.replays_only:
                message = f"mode {policy.mode}: this server only replays"
                raise UsageError(f"{message}; begin with streamtape.record()")
            self.scopes.set_policy(name, policy)
        return RunningScope(self, name)

    def settle(self) -> None:
        """Wait until all answers that have ended are cassettes."""
        self._dispatcher.settle()

    def wait_for_detached(self) -> None:
        """
        Wait until the answers have ended that are recorded on without their client.

        Call it when no client is there any more; it takes as long as any of them.
        """
        self._thread.wait_for(self._dispatcher.wait_for_detached())

    def reset(self, name: str = "") -> None:
        """
        Begin a new run: each request gets its first take again.

        Args:
            name: Of a scope; empty for all of them and the library as a whole.
        """
        self._dispatcher.reset(name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all answers and write all recordings to the disk; may be called twice."""
        self._thread.stop()

    async def _serve(self) -> None:
        config = self.config
        token = find_token(config.listen, config.token, self.secrets)
        sockets = bind(config.port, besides=config.listen)
        port: int = sockets[0].getsockname()[1]
        async with contextlib.AsyncExitStack() as stack:
            for bound in sockets:
                stack.callback(bound.close)
            clock = SystemClock()
            dispatcher = await self._open_dispatcher(stack, port, clock)
            self._dispatcher = dispatcher
            handler = RequestHandler(dispatcher, port=port, token=token)
            limiter = ConnectionLimiter(
                most_asking=config.most_requests or find_most_requests()
            )
            head_limit_s = config.head_limit_ns / 1e9
            server = HttpServer(
                handler.handle, limiter, self.secrets, clock, head_limit_s=head_limit_s
            )
            stack.push_async_callback(server.shutdown, _STOP_LIMIT_S)
            stack.callback(server.pre_shutdown)
            if self._before_listening is not None:
                self._before_listening()
            listen(sockets)
            await stack.enter_async_context(accepting(server, limiter, sockets))
            self.base_url = f"http://127.0.0.1:{port}"
            if token is not None and config.listen is not None:
                self.outer_url = outer_url(config.listen, port=port, token=token)
            await self._thread.run_until_stopped()
            dispatcher.stop()
            await dispatcher.wait_for_detached()

    async def _open_dispatcher(
        self, stack: contextlib.AsyncExitStack, port: int, clock: Clock
    ) -> Dispatcher:
        config = self.config
        self.secrets.remember_environment(os.environ)
        check_folder(config.cassettes, config.policy.mode)
        await asyncio.to_thread(self.scopes.get("").open)
        base_url = config.upstream
        if not config.replays_only:
            assert base_url is not None
            base_url = check_upstream(base_url, port=port)
            check_authorities(base_url)
        upstreams = Upstreams(
            base_url,
            clock,
            source=config.upstream_source,
            idle_limit_ns=config.idle_limit_ns,
        )
        stack.push_async_callback(upstreams.close)
        dispatcher = Dispatcher(config, self.scopes, upstreams, clock, self.secrets)
        stack.push_async_callback(asyncio.to_thread, dispatcher.close)
        return dispatcher


class RunningScope:
    """The part of a server that works on one sub-folder of its library."""

    def __init__(self, server: RunningServer, name: str) -> None:
        self._server = server
        self.name = name

    @property
    def base_url(self) -> str:
        """What to set as a client's base URL, without ``/v1``."""
        return f"{self._server.base_url}/~{quote(self.name, safe='')}"

    @property
    def env(self) -> dict[str, str]:
        """What to add to the environment of a program that is to use this scope."""
        mode = self._server.scopes.get(self.name).policy.mode
        return environment(self.base_url, replays=mode is RecordMode.NONE)

    def reset(self) -> None:
        """Begin a new run here: each request gets its first take again."""
        self._server.reset(self.name)


def check_folder(folder: Path, mode: RecordMode) -> None:
    """
    Make sure that a library can be used as a mode needs it.

    Raises:
        UsageError: The library is no folder, isn't there to replay from, or can't
            be read or written to.
    """
    try:
        if folder.exists() and not folder.is_dir():
            message = f"{folder}: expected a folder of cassettes, and this is a file"
            raise UsageError(message)
        if mode is RecordMode.NONE and not folder.is_dir():
            message = (
                f"{folder}: there is no such folder; record first, with "
                f"streamtape record --cassettes {shlex.quote(str(folder))}"
            )
            raise UsageError(message)
        if mode not in (RecordMode.NONE, RecordMode.PASSTHROUGH):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # It has no name, so that recorders in one folder don't meet in it.
            with tempfile.TemporaryFile(dir=folder):
                pass
        if folder.is_dir():
            os.scandir(folder).close()
    except OSError as error:
        needs = "read" if mode is RecordMode.NONE else "written to"
        message = f"{folder}: can't be {needs}: {error.strerror}"
        raise UsageError(message) from error


def check_authorities(upstream: str) -> None:
    """
    Make sure that the certificates which a person named to trust can be read.

    OpenSSL passes over a file that it can't read, and then every request fails.

    Args:
        upstream: A base URL; only one of https needs certificates.

    Raises:
        UsageError: ``SSL_CERT_FILE`` names no file of certificates.
    """
    path = os.environ.get("SSL_CERT_FILE")
    if not path or not upstream.startswith("https:"):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        message = f"SSL_CERT_FILE: {path}: expected certificates in PEM, found none"
        raise UsageError(message) from error
    except OSError as error:
        message = f"SSL_CERT_FILE: {path}: can't be read: {error.strerror}"
        raise UsageError(message) from error
