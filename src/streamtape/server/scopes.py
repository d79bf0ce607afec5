"""
Scopes: sub-folders of the library, each with requests, takes and counts of its own.

A base URL that ends in ``/~NAME`` leads to the scope of that name.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from streamtape.core.matching import DEFAULT_RULES, request_key
from streamtape.core.takes import Takes
from streamtape.errors import RefusedRequestError, UsageError
from streamtape.library.folder import Library
from streamtape.server.clock import wall_ns
from streamtape.server.config import Config, Policy
from streamtape.server.tally import Tally

_MARK: Final = "/~"

_PART: Final = re.compile(r"(?![.~])[^\x00-\x1f\x7f/\\<>:\"|?*]{1,200}(?<![. ])")
"""A name that every file system takes as one folder, and no listing hides."""


class Scope:
    """
    One library and the state of its replay.

    Args:
        name: As in the base URL; empty for the library as a whole.
    """

    def __init__(self, name: str, folder: Path, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.library = Library(
            folder,
            partial(request_key, rules=policy.rules),
            uses_stored_keys=policy.rules == DEFAULT_RULES,
            wall_ns=wall_ns,
        )
        self.takes = Takes(policy.exhausted)
        self.tally = Tally()
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

    def reset(self) -> None:
        """
        Begin a new run: with the first take of every request, and with the folder as
        it is now.
        """
        self.takes.reset()
        self.library.begin_run()
        self.is_open = False

    def name_of(self, path: Path) -> str:
        """
        What people call a cassette, from the top of the whole library.
        """
        name = self.library.name_of(path)
        return f"{self.name}/{name}" if self.name else name


class Scopes:
    """
    All scopes of a server, each made when it is first asked for.

    Raises:
        UsageError: The settings have a scope that can't be one.
    """

    def __init__(self, config: Config) -> None:
        for name in config.scopes:
            if not is_scope_name(name):
                message = f"scope {name!r}: expected a folder within the library"
                raise UsageError(message)
        self._config = config
        self._policies = dict(config.scopes)
        self._scopes: dict[str, Scope] = {}
        self._former: list[Scope] = []
        self._lock = threading.Lock()

    def get(self, name: str) -> Scope:
        """
        Return a scope by its name; empty for the library as a whole.
        """
        with self._lock:
            scope = self._scopes.get(name)
            if scope is None:
                folder = self._config.cassettes / name
                policy = self._policies.get(name, self._config.policy)
                scope = self._scopes[name] = Scope(name, folder, policy)
            return scope

    def set_policy(self, name: str, policy: Policy) -> None:
        """
        Say how the requests of a scope are answered, and begin it anew.
        """
        with self._lock:
            self._policies[name] = policy
            if (former := self._scopes.pop(name, None)) is not None:
                self._former.append(former)

    def all(self) -> list[Scope]:
        """
        Return the scopes that were asked for so far, what they were before included.
        """
        with self._lock:
            return [*self._former, *self._scopes.values()]

    def reset(self, name: str) -> None:
        """
        Begin a new run in one scope, or in all of them if the name is empty.
        """
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


def split_scope(target: str) -> tuple[str, str, str]:
    """
    Return the prefix of a scope as it is in a request's target, its name, and the
    rest; prefix and name are empty where there is none.

    Raises:
        RefusedRequestError: The name can't be that of a folder.
    """
    if not target.startswith(_MARK):
        return "", "", target
    end = re.compile(r"[/?]|$").search(target, 1)
    prefix = target[: end.start()] if end else target
    name = unquote(prefix.removeprefix(_MARK), errors="replace")
    if not is_scope_name(name):
        message = (
            f"{prefix} can't be a scope: expected the name of a folder, such as "
            "/~chat, with %2F for one within another"
        )
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    rest = target.removeprefix(prefix)
    return prefix, name, rest if rest.startswith("/") else f"/{rest}"


def is_scope_name(name: str) -> bool:
    """
    Whether a name is safe as that of a folder, or of one within others.
    """
    return all(_PART.fullmatch(part) for part in name.split("/"))
