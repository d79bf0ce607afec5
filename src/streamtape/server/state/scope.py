"""
A scope: a sub-folder of the library with requests, takes and counts of its own.
"""

from __future__ import annotations

import threading
from pathlib import Path

from streamtape.core.matching.takes import Takes
from streamtape.library.folder import Library
from streamtape.server.config import Policy
from streamtape.server.state.running import RunningAnswers
from streamtape.server.state.tally import Tally


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
        """
        What people call a cassette, from the top of the whole library.
        """
        name = self.library.name_of(path)
        return f"{self.name}/{name}" if self.name else name
