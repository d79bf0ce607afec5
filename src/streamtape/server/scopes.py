"""
Scopes: sub-folders of the library with requests, takes and counts of their own.

A base URL that ends in ``/~NAME`` leads to the scope of that name. Scopes that only
replay share what is known of a library. A scope that has ended waits for its answers.
"""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import unquote

from streamtape.core.matching.key import DEFAULT_RULES, request_key
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import NO_ANSWER, Takes, without_retries
from streamtape.core.modes import RecordMode
from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    RefusedRequestError,
    UsageError,
)
from streamtape.library.disk import Disk
from streamtape.library.library import Library
from streamtape.library.reader import CassetteReader
from streamtape.server.clock import wall_ns
from streamtape.server.config import Config
from streamtape.server.stats import Tally
from streamtape.settings import Policy


class Scopes:
    """
    All scopes of a server, each made when it is first asked for.

    Args:
        disk: Where they record; None for the usual one.

    Raises:
        UsageError: The settings have a scope that can't be one.
    """

    def __init__(self, config: Config, disk: Disk | None = None) -> None:
        for name in config.scopes:
            if not is_scope_name(name):
                message = f"scope {name!r}: expected a folder within the library"
                raise UsageError(message)
        self._config = config
        self._disk = disk or Disk()
        self._policies = dict(config.scopes)
        self._scopes: dict[str, Scope] = {}
        self._former: list[Scope] = []
        self._ended: dict[str, str] = {}
        self._libraries = SharedLibraries(self._disk)
        self.late: list[str] = []
        """The names of scopes that were asked for after their end."""
        self._lock = threading.Lock()

    def get(self, name: str) -> Scope:
        """
        Return a scope by its name; empty for the library as a whole.

        Raises:
            RefusedRequestError: It has ended.
        """
        with self._lock:
            if (ended := self._ended.get(name)) is not None:
                self.late.append(name)
                raise RefusedRequestError(
                    ended, status=424, error_type="invalid_request_error"
                )
            scope = self._scopes.get(name)
            if scope is None:
                folder = self._config.cassettes / name
                policy = self._policies.get(name, self._config.policy)
                scope = Scope(name, make_library(folder, policy, self._disk), policy)
                self._scopes[name] = scope
                if name:
                    # Recording in the folder itself would make it a scope's scope.
                    library = shlex.quote(str(self._config.cassettes))
                    scope.recorder = (
                        f"streamtape record --mode new_episodes --cassettes {library}"
                    )
            return scope

    def set_policy(self, name: str, policy: Policy) -> None:
        """Say how the requests of a scope are answered, and begin it anew."""
        with self._lock:
            self._policies[name] = policy
            if (former := self._scopes.pop(name, None)) is not None:
                self._former.append(former)

    def begin(self, name: str, folder: Path, policy: Policy) -> Scope:
        """
        Make a scope that lives until :meth:`end`, and that keeps a log. Blocks.

        Args:
            name: One that no other scope has had.
            folder: Its library, wherever that is.
        """
        scope = Scope(name, self._libraries.get(folder, policy), policy)
        scope.tally.log = []
        # Its first request then needs no other thread for this.
        scope.open()
        with self._lock:
            self._scopes[name] = scope
        return scope

    def end(self, name: str, message: str) -> None:
        """
        Refuse all further requests to a scope, and note them in :attr:`late`.

        Args:
            message: What such a request is told.
        """
        with self._lock:
            self._ended[name] = message
            del self._scopes[name]

    def all(self) -> list[Scope]:
        """
        Return the scopes that were asked for so far, what they were before included.
        """
        with self._lock:
            return [*self._former, *self._scopes.values()]

    def reset(self, name: str) -> None:
        """Begin a new run in one scope, or in all of them if the name is empty."""
        for scope in self.all():
            if name in ("", scope.name):
                scope.reset()

    def status(self, name: str) -> dict[str, object]:
        """
        Say how requests of a scope are answered, and what became of them; of all
        scopes together if the name is empty.
        """
        counts: Counter[str] = Counter()
        for scope in self.all():
            if name in ("", scope.name):
                counts.update(scope.tally.counts)
        policy = self._policies.get(name, self._config.policy)
        return {
            "mode": policy.mode,
            "cassettes": str(self._config.cassettes / name),
            "upstream": self._config.upstream,
            "requests": dict(counts),
        }


class Scope:
    """
    One library and the state of its replay.

    Args:
        name: As in the base URL; empty for the library as a whole.
    """

    def __init__(self, name: str, library: Library, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.library = library
        self.takes = Takes(policy.exhausted)
        self.tally = Tally()
        self.running = RunningAnswers()
        self.recorder = ""
        """What records here, for the advice of a miss; empty for the command."""
        self.is_open = False
        self.began_empty = False
        """Whether there was no cassette when the run began."""
        self._lock = threading.Lock()

    def open(self) -> None:
        """
        Look at the folder for the first time. Blocks; may be called twice.
        """
        with self._lock:
            if not self.is_open:
                self.library.refresh()
                self.began_empty = self.library.is_empty
                self.is_open = True

    def find_answers(self, key: str) -> list[Path]:
        """
        Return the cassettes that answer a request, in their order, maybe none.

        They are all takes that there are, or those that are left when recorded
        failures are skipped. Blocks.

        Raises:
            CassetteNotFoundError: One was taken away while it was looked at.
            CassetteError: As :meth:`~streamtape.library.library.Library.refresh`.
        """
        takes = self.library.takes(key)
        if len(takes) < 2 or not self.policy.collapse_retries:
            return takes
        # What is skipped was needed once: nobody should take it away as unused.
        self.tally.used.update(takes)
        return [takes[index] for index in without_retries([*map(_status_of, takes)])]

    def reset(self) -> None:
        """
        Begin a new run: with the first take of every request, and with the folder as
        it is now. Blocks.
        """
        self.end()
        self.takes.reset()
        self.tally.begin_run()
        self.library.begin_run()
        self.is_open = False

    def end(self) -> None:
        """
        End a run: takes of earlier ones go whose requests were recorded whole. Blocks.
        """
        self.library.end_run(self.tally.lacking)

    def name_of(self, path: Path) -> str:
        """What people call a cassette, from the top of the whole library."""
        name = self.library.name_of(path)
        return f"{self.name}/{name}" if self.name else name


def _status_of(take: Path) -> int:
    """Return the status of a take; one that can't be played stands for a failure."""
    try:
        with CassetteReader(take) as reader:
            response = reader.response
    except CassetteNotFoundError:
        raise
    except CassetteError:
        response = None
    return NO_ANSWER if response is None else response.status


_MOST_KNOWN: Final = 16
"""Libraries that are kept for scopes to come: tests may share a large folder."""


class SharedLibraries:
    """
    Gives scopes of one folder one library, if they record nothing.

    Args:
        disk: Where others record.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._known: dict[tuple[Path, Rules], Library] = {}
        self._lock = threading.Lock()

    def get(self, folder: Path, policy: Policy) -> Library:
        """
        Return the library of a folder that others may have looked through already.
        """
        if policy.mode is not RecordMode.NONE:
            # What a recorder has recorded before counts, and is its own.
            return make_library(folder, policy, self._disk)
        with self._lock:
            known = self._known.pop((folder, policy.rules), None)
            library = known or make_library(folder, policy, self._disk)
            # At the end are those that were asked for last.
            self._known[folder, policy.rules] = library
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return library


def make_library(folder: Path, policy: Policy, disk: Disk | None = None) -> Library:
    """
    Make the library of a folder, which is not looked at yet.

    Args:
        disk: Where it records; None for the usual one.
    """
    return Library(
        folder,
        partial(request_key, rules=policy.rules),
        uses_stored_keys=policy.rules == DEFAULT_RULES,
        wall_ns=wall_ns,
        disk=disk,
    )


class RunningAnswers:
    """
    Counts answers while they run, as a context manager around each.

    A client may have the last byte of an answer before its server is done with it.
    For use by several threads.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, limit_s: float) -> bool:
        """
        Wait until none runs, and return whether that is so. Blocks.

        Args:
            limit_s: How long at most; some clients leave a stream open.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, limit_s)


_MARK: Final = re.compile("/(?:~|%7E)", re.IGNORECASE)

_MOST_PARTS: Final = 16
_MOST_BYTES: Final = 200

_PART: Final = re.compile(
    r"(?![.~]|(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))"
    r"[^\x00-\x1f\x7f-\x9f/\\<>:\"|?*]+(?<![. ])",
    re.IGNORECASE,
)
"""A name that every file system takes as one folder, and no listing hides."""


def split_scope(target: str) -> tuple[str, str, str]:
    """
    Return the prefix of a scope as it is in a request's target, its name, and the
    rest; prefix and name are empty where there is none.

    Raises:
        RefusedRequestError: The name can't be that of a folder.
    """
    mark = _MARK.match(target)
    if mark is None:
        return "", "", target
    prefix = re.split("[/?]", target[1:], maxsplit=1)[0]
    prefix = f"/{prefix}"
    name = unquote(prefix[mark.end() :], errors="replace")
    if not is_scope_name(name):
        message = (
            f"{prefix} can't be a scope: expected the name of a folder, such as "
            "/~chat, with %2F for one within another"
        )
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    rest = target.removeprefix(prefix)
    if _MARK.match(rest) or rest.startswith("//"):
        message = (
            f"{prefix} is followed by {rest[:2]}: a scope within another is written "
            "with %2F, as in /~chat%2Fbasic"
        )
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    return prefix, name, rest if rest.startswith("/") else f"/{rest}"


def is_scope_name(name: str) -> bool:
    """Whether a name is safe as that of a folder, or of one within others."""
    parts = name.split("/")
    return len(parts) <= _MOST_PARTS and all(
        _PART.fullmatch(part) and len(os.fsencode(part)) <= _MOST_BYTES
        for part in parts
    )
