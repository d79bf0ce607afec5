"""
Recordings on their way to a name, in one thread beside the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from streamtape.core.model import EndReason
from streamtape.core.modes import RecordMode
from streamtape.core.recording import Recording
from streamtape.library.leaks import find_raw_kinds
from streamtape.library.writer import CassetteWriter
from streamtape.server.state.scope import Scope
from streamtape.server.state.tally import Exchange

log = logging.getLogger(__name__)

_UNFINISHED = frozenset({EndReason.SHUTDOWN})
"""Endings of ours, not of the answer: such a recording takes no cassette's place."""


class Commits:
    """
    Gives recordings their names, those of one request in the order of their ends.
    """

    def __init__(self) -> None:
        self._pending: dict[tuple[Scope, str], Future[None]] = {}
        # One thread: more would name takes of one request in any order.
        self._disk = ThreadPoolExecutor(1, "streamtape-disk")

    def submit(
        self,
        scope: Scope,
        recording: Recording,
        writer: CassetteWriter,
        key: str,
        *,
        mode: RecordMode,
        ended: EndReason,
        exchange: Exchange,
        tell: Callable[[str, str], None],
    ) -> None:
        """
        Have a recording named, and count and tell what became of it.

        Args:
            exchange: Gets the path of the cassette.
            tell: Takes its fate and its name, maybe in another thread.
        """

        def leave() -> None:
            writer.close()
            if writer.failure is not None:
                scope.tally.recount("unfinished", "lost")
            else:
                tell("unfinished", writer.stem)

        if ended in _UNFINISHED:
            scope.tally.count("unfinished")
            leave()
            return

        def commit() -> None:
            try:
                give_name()
            except OSError as error:
                log.error("%s: can't be read again: %s", writer.path, error.strerror)
                writer.close()
                scope.tally.recount("recorded", "lost")
            except Exception:
                # The disk's thread has nobody to tell, and others to serve.
                log.exception("%s could not be given its name", writer.path)
                writer.close()
                scope.tally.recount("recorded", "lost")

        def give_name() -> None:
            if ended is EndReason.CLIENT_GONE and scope.library.has_complete(key):
                # Whoever stops an app by Ctrl-C wants to keep what there was.
                scope.tally.recount("recorded", "unfinished")
                leave()
                return
            replace = mode is RecordMode.ALL
            if found := _find_secrets(recording, writer):
                writer.discard()
                scope.tally.recount("recorded", "lost")
                log.error(
                    "%s was not kept: it would have held %s that the redaction missed",
                    writer.stem,
                    " and ".join(found),
                )
                return
            path = scope.library.commit(writer, key, replace=replace)
            if path is None:
                scope.tally.recount("recorded", "lost")
            else:
                scope.tally.used.add(path)
                exchange.path = path
                tell("recorded", scope.name_of(path))

        scope.tally.count("recorded")
        pending = {k: each for k, each in self._pending.items() if not each.done()}
        self._pending = pending | {(scope, key): self._disk.submit(commit)}

    async def settle(self, scope: Scope, key: str) -> None:
        """
        Wait for what was recorded of a request, so that it can be replayed.
        """
        commit = self._pending.get((scope, key))
        if commit is not None:
            # A client that leaves now must not take the commit with it.
            await asyncio.shield(asyncio.wrap_future(commit))

    def wait(self) -> None:
        """
        Wait for all that was recorded until now. Blocks.
        """
        wait(self._pending.values())

    def close(self) -> None:
        """
        Wait until all is on the disk. Blocks.
        """
        self._disk.shutdown()


def _find_secrets(recording: Recording, writer: CassetteWriter) -> list[str]:
    """
    Look for secrets once more, in the file's bytes and in its texts joined.
    """
    if writer.path is None or writer.failure is not None:
        return []
    return list(dict.fromkeys(recording.find_kinds() + find_raw_kinds(writer.path)))
