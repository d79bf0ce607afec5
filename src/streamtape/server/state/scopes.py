"""
All scopes of a server, and what is known of them when they have ended.
"""

from __future__ import annotations

import shlex
import threading
from collections import Counter
from pathlib import Path

from streamtape.errors import RefusedRequestError, UsageError
from streamtape.server.config import Config, Policy
from streamtape.server.state.libraries import SharedLibraries, make_library
from streamtape.server.state.scope import Scope
from streamtape.server.state.scope_names import is_scope_name


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
        self._ended: dict[str, str] = {}
        self._libraries = SharedLibraries()
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
                scope = Scope(name, make_library(folder, policy), policy)
                self._scopes[name] = scope
                if name:
                    # Recording in the folder itself would make it a scope's scope.
                    library = shlex.quote(str(self._config.cassettes))
                    scope.recorder = (
                        f"streamtape record --mode new_episodes --cassettes {library}"
                    )
            return scope

    def set_policy(self, name: str, policy: Policy) -> None:
        """
        Say how the requests of a scope are answered, and begin it anew.
        """
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
