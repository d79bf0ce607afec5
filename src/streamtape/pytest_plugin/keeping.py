"""Whether what a test recorded may take the place of what was recorded before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from streamtape.core.modes import RecordMode
from streamtape.library.library import Library
from streamtape.library.reader import is_whole
from streamtape.pytest_plugin.outcomes import some
from streamtape.pytest_plugin.staging import Staging
from streamtape.server.scopes import Scope, make_library
from streamtape.server.stats import LoggedInteraction

_WHYS: Final = {
    "failed": "the upstream gave no answer",
    "open": "its answer had no end when the test had one",
    "recorded": "its client left before the end, or it could not be written",
}
"""Why a request is no whole recording, by its fate."""


class Keeping:
    """
    Compares what a test recorded with what was recorded of it before.

    A request lacks if it did not become a whole recording, and no later ones of the
    same key, its retries, made that good. If none lacks, the run shows all that the
    test needs, and old recordings may go. Else none may go for which there is no new
    one, for a run that got less than an earlier one says nothing about the test.

    Args:
        is_shared: Whether other tests use the folder too. There no recording goes but
            for a new one of the same request.
    """

    def __init__(self, scope: Scope, staging: Staging, *, is_shared: bool) -> None:
        self._scope = scope
        self._staging = staging
        self._is_shared = is_shared
        self._replaces = scope.policy.mode is RecordMode.ALL

    def publish(self) -> None:
        """
        Put what was recorded where it belongs; call it if nothing was found.

        Raises:
            OSError: As for :meth:`Staging.publish`.
        """
        self._staging.publish(drops_old=self._replaces and not self._is_shared)

    def findings(self) -> list[str]:
        """
        Say why the test fails although it has passed; nothing where all is well.

        Everything that was asked has to be settled.
        """
        staging = self._staging
        lacking = self._scope.tally.lacking
        replaces_all = self._replaces and not self._is_shared
        if not lacking and (staging.new or not staging.old or not replaces_all):
            return []
        old = self._takes(staging.folder, staging.old)
        new = self._takes(self._scope.library.folder, staging.new)
        lacking = {key for key in lacking if not self._is_made_good(key, old, new)}
        interactions = [
            interaction
            for interaction in self._scope.tally.log or ()
            if interaction.key in lacking and not _is_recorded(interaction)
        ]
        found = list(dict.fromkeys(map(_explain, interactions)))
        if kept := self._kept(lacking, old, new):
            if not found:
                found.append(
                    "the test asked nothing that was recorded; if it needs no "
                    f"cassettes any more, remove {staging.folder}"
                )
            return [*found, f"what was recorded before stays: {some(kept)}"]
        has_failed = any(
            interaction.outcome == "failed" for interaction in interactions
        )
        return found if has_failed else []

    def _is_made_good(self, key: str, old: _Takes, new: _Takes) -> bool:
        needed = 1 if self._is_shared else max(1, old.whole[key])
        return new.whole[key] >= needed

    def _kept(self, lacking: set[str], old: _Takes, new: _Takes) -> list[str]:
        """Return the names of old recordings that would go for nothing, sorted."""
        if not self._replaces:
            return []
        if self._is_shared:
            paths = [path for path, key in old.keys.items() if key in lacking]
        else:
            is_less = (lacking or not new.keys) and (
                old.all - new.all or old.whole - new.whole or old.has_unknown
            )
            # All of them: the folder is replaced as one, or not at all.
            paths = list(old.keys) if is_less else []
        folder = self._staging.folder
        return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]

    def _takes(self, folder: Path, paths: Iterable[Path]) -> _Takes:
        library = make_library(folder, self._scope.policy)
        library.refresh()
        return _Takes(library, paths)


class _Takes:
    """Some cassettes of a library by their keys, and how many there are of each."""

    def __init__(self, library: Library, paths: Iterable[Path]) -> None:
        known = library.keys()
        self.keys = {path: known.get(path, "") for path in paths}
        self.all = Counter(key for key in self.keys.values() if key)
        self.whole = Counter(
            key for path, key in self.keys.items() if key and is_whole(path)
        )
        self.has_unknown = "" in self.keys.values()
        """Whether some can't be read, so that nobody can tell what they answer."""


def _explain(interaction: LoggedInteraction) -> str:
    request = interaction.request
    why = _WHYS.get(interaction.outcome, _WHYS["open"])
    return f"{request.method} {request.path} was not recorded whole: {why}"


def _is_recorded(interaction: LoggedInteraction) -> bool:
    return interaction.path is not None and is_whole(interaction.path)
