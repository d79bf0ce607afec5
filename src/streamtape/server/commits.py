"""Recordings on their way to a name, in one thread beside the loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from streamtape.core.model import EndReason
from streamtape.core.recording import Recording
from streamtape.core.redaction.secrets import Secrets
from streamtape.library.check import find_raw_kinds
from streamtape.library.writer import CassetteWriter
from streamtape.server.scopes import Scope
from streamtape.server.stats import LoggedInteraction

log = logging.getLogger(__name__)

_UNFINISHED = frozenset({EndReason.SHUTDOWN})
"""Endings of ours, not of the answer: such a recording takes no cassette's place."""

MOST_WAITING: Final = 256
"""Recordings that may wait for the disk: each has a file open, and its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A recording whose answer is over, and what is known of it."""

    scope: Scope
    recording: Recording
    writer: CassetteWriter
    key: str
    replaces: bool
    """Whether it takes the place of what was recorded of its request before."""
    reason: EndReason
    interaction: LoggedInteraction
    """Gets the path of the cassette."""
    log_outcome: Callable[[str, str], None]
    """Takes its outcome and its name, maybe in another thread."""


class Commits:
    """Gives recordings their names, those of one request in the order of their ends."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._pending: dict[tuple[Scope, str], Future[None]] = {}
        """The last of each request; some of them are done."""
        self._waiting: deque[Future[None]] = deque()
        """All in their order, from the first that was not done."""
        # One thread: more would name takes of one request in any order.
        self._disk = ThreadPoolExecutor(1, "streamtape-disk")

    def submit(self, ended: Ended) -> None:
        """Have a recording named, and count and tell what became of it."""
        if ended.reason in _UNFINISHED:
            ended.scope.tally.count("unfinished")
            _leave(ended)
            return
        ended.scope.tally.count("recorded")
        commit = self._disk.submit(_commit, ended, self._secrets)
        if len(self._pending) > 2 * MOST_WAITING:
            pending = self._pending.items()
            self._pending = {key: each for key, each in pending if not each.done()}
        self._pending[ended.scope, ended.key] = commit
        self._waiting.append(commit)
        self._forget_done()

    async def keep_up(self) -> None:
        """Wait while more recordings wait for the disk than may."""
        while len(self._waiting) > MOST_WAITING:
            await asyncio.shield(asyncio.wrap_future(self._waiting[0]))
            self._forget_done()

    def _forget_done(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()

    async def settle(self, scope: Scope, key: str) -> None:
        """Wait for what was recorded of a request, so that it can be replayed."""
        commit = self._pending.get((scope, key))
        if commit is not None:
            # A client that leaves now must not take the commit with it.
            await asyncio.shield(asyncio.wrap_future(commit))

    def wait(self) -> None:
        """
        Wait for all that was recorded until now. Blocks.
        """
        # The loop may add to them meanwhile.
        wait(list(self._pending.values()))

    def close(self) -> None:
        """
        Wait until all is on the disk. Blocks.
        """
        self._disk.shutdown()


def _commit(ended: Ended, secrets: Secrets) -> None:
    writer = ended.writer
    try:
        _give_name(ended, secrets)
    except OSError as error:
        log.error("%s: can't be read again: %s", writer.path, error.strerror)
        writer.close()
        _count_lost(ended)
    except Exception:
        # The disk's thread has nobody to tell, and others to serve.
        log.exception("%s could not be given its name", writer.path)
        writer.close()
        _count_lost(ended)


def _give_name(ended: Ended, secrets: Secrets) -> None:
    library, writer = ended.scope.library, ended.writer
    if not ended.reason.is_by_upstream and library.has_whole(ended.key):
        # Whoever stops an app by Ctrl-C wants to keep what there was.
        ended.scope.tally.recount("recorded", "unfinished")
        _leave(ended)
    elif found := _find_secrets(ended.recording, writer, secrets):
        writer.discard()
        _count_lost(ended)
        log.error(
            "%s was not kept: it would have held %s that the redaction missed",
            writer.stem,
            " and ".join(found),
        )
    elif path := library.commit(writer, ended.key, replace=ended.replaces):
        ended.scope.tally.used.add(path)
        if ended.reason.is_by_upstream:
            ended.scope.tally.end_recording(ended.key)
        ended.interaction.path = path
        ended.log_outcome("recorded", ended.scope.name_of(path))
    else:
        _count_lost(ended)


def _leave(ended: Ended) -> None:
    """Leave a recording as the part that it is, for ``streamtape recover``."""
    writer = ended.writer
    path = writer.path
    writer.close()
    if writer.failure is not None:
        ended.scope.tally.recount("unfinished", "lost")
    elif path is not None and not path.exists():
        log.error("%s was taken away; what came is lost", path)
        ended.scope.tally.recount("unfinished", "lost")
    else:
        ended.log_outcome("unfinished", path.name if path else writer.stem)


def _count_lost(ended: Ended) -> None:
    ended.scope.tally.recount("recorded", "lost")


def _find_secrets(
    recording: Recording, writer: CassetteWriter, secrets: Secrets
) -> list[str]:
    """Look for secrets once more, in the file's bytes and in its texts joined."""
    if writer.path is None or writer.failure is not None:
        return []
    raw_kinds = find_raw_kinds(writer.path, secrets)
    return list(dict.fromkeys(recording.find_kinds() + raw_kinds))
