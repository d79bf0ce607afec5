"""The settings that hold, as the values that the server and its scopes go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.pacing import INSTANT, Pacing


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSettings:
    """What holds for the requests of one scope."""

    mode: RecordMode | None
    """None leaves it to the command."""
    speed: float
    """1 is the recorded pace, INSTANT without any wait."""
    max_gap_ns: int | None
    """Longest silence, cut before the speed applies; None leaves all as recorded."""
    exhausted: Exhausted | None
    """None leaves it to the command."""
    collapse_retries: bool
    """Whether recorded failures are skipped that a later take made good."""
    on_disconnect: OnDisconnect
    """What a client that leaves in mid-answer does to the recording."""
    rules: Rules
    sources: Mapping[str, str]
    """
    Where each setting was said, by its name.

    ``default``, the name of a file, with ``[scopes.NAME]`` behind it where it is the
    scope's own, a variable, a flag, or ``argument NAME``.
    """

    @property
    def pacing(self) -> Pacing:
        """The speed and the longest silence together."""
        return Pacing(speed=self.speed, max_gap_ns=self.max_gap_ns)

    def plain(self) -> dict[str, Any]:
        """
        Return the settings as values of JSON, by the names that TOML has for them.
        """
        gap_ns, rules = self.max_gap_ns, self.rules
        return {
            "mode": self.mode,
            "speed": "instant" if self.speed == INSTANT else self.speed,
            "max_gap": None if gap_ns is None else gap_ns / 1e9,
            "exhausted": self.exhausted,
            "collapse_retries": self.collapse_retries,
            "on_disconnect": self.on_disconnect,
            "ignore": list(rules.ignore),
            "replace": [list(pair) for pair in rules.replace],
            "headers": list(rules.headers),
            "rename_ids": rules.rename_ids,
            "preset": rules.preset,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ScopeSettings):
    """What holds for a server, and for the requests of every scope without its own."""

    upstream: str | None
    """Base URL to forward to, not checked yet; None leaves it to the command."""
    cassettes: Path
    """The library's folder, absolute or from the current folder on."""
    port: int | None
    """None leaves it to the command."""
    listen: str | None
    """Where to listen besides the loopback interface."""
    scopes: Mapping[str, ScopeSettings] = field(default_factory=dict)
    """By name; what a scope doesn't say is as here."""
    files: tuple[Path, ...] = ()
    """The files that were read, the weaker one first."""

    def plain(self) -> dict[str, Any]:
        """
        Return the settings as values of JSON, by the names that TOML has for them.

        The scopes are left out; the upstream is as it was said, with a password
        that may be in it.
        """
        of_server = {
            "upstream": self.upstream,
            "cassettes": str(self.cassettes),
            "port": self.port,
            "listen": self.listen,
        }
        # A dataclass with slots is made anew, so super() would not find it.
        return of_server | ScopeSettings.plain(self)
