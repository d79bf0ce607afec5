"""
The libraries of scopes, of which those that only replay share what is known.
"""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Final

from streamtape.core.matching.key import DEFAULT_RULES, request_key
from streamtape.core.matching.rules import Rules
from streamtape.core.modes import RecordMode
from streamtape.library.folder import Library
from streamtape.server.clock import wall_ns
from streamtape.server.config import Policy

_MOST_KNOWN: Final = 16
"""Libraries that are kept for scopes to come: tests may share a large folder."""


class SharedLibraries:
    """
    Gives scopes of one folder one library, if they record nothing.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Path, Rules], Library] = {}
        self._lock = threading.Lock()

    def get(self, folder: Path, policy: Policy) -> Library:
        """
        Return the library of a folder that others may have looked through already.
        """
        if policy.mode is not RecordMode.NONE:
            # What a recorder has recorded before counts, and is its own.
            return make_library(folder, policy)
        with self._lock:
            known = self._known.pop((folder, policy.rules), None)
            library = known or make_library(folder, policy)
            # At the end are those that were asked for last.
            self._known[folder, policy.rules] = library
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return library


def make_library(folder: Path, policy: Policy) -> Library:
    """
    Make the library of a folder, which is not looked at yet.
    """
    return Library(
        folder,
        partial(request_key, rules=policy.rules),
        uses_stored_keys=policy.rules == DEFAULT_RULES,
        wall_ns=wall_ns,
    )
