"""
The settings that hold, and the policy that they make.

A setting that may differ from scope to scope has a field of its name in
:class:`Policy`, :class:`~streamtape.core.pacing.Pacing` or
:class:`~streamtape.core.matching.rules.Rules`; nothing else knows it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from streamtape.core.matching.key import DEFAULT_RULES
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.pacing import Pacing
from streamtape.settings.table import SETTINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How requests are answered: what may differ from scope to scope."""

    mode: RecordMode = RecordMode.NONE
    pacing: Pacing = field(default_factory=Pacing)
    exhausted: Exhausted = Exhausted.CYCLE
    collapse_retries: bool = False
    """Whether recorded failures are skipped that a later take made good."""
    on_disconnect: OnDisconnect = OnDisconnect.STOP
    """What a client that leaves in mid-answer does to the recording."""
    rules: Rules = DEFAULT_RULES
    upstream: str | None = None
    """Base URL to forward to; None for that of the server, if it has one."""
    upstream_source: str = field(default="", compare=False)
    """Who named that; empty if it is not known."""
    where: str = field(default="", compare=False)
    """Where a rule would have to be said; empty for the usual place."""

    def with_settings(self, values: Mapping[str, object]) -> Policy:
        """
        Return the policy with other values of some settings.

        Args:
            values: By the names of the settings, as the table reads them; None leaves
                one as it is.
        """
        given = {
            SETTINGS[name].field: value
            for name, value in values.items()
            if value is not None
        }
        changed = _fields_in(given, Policy)
        for part, held in (("pacing", self.pacing), ("rules", self.rules)):
            if inner := _fields_in(given, type(held)):
                changed[part] = replace(held, **inner)
        return replace(self, **changed)


def _fields_in(given: Mapping[str, object], kind: type[Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSettings:
    """What was said of the requests of one scope, or else holds for them."""

    values: Mapping[str, Any]
    """By the names of the settings; None leaves one to the command."""
    sources: Mapping[str, str]
    """
    Where each setting was said, by its name.

    ``default``, the name of a file, with ``[scopes.NAME]`` after it where it is the
    scope's own, a variable, a flag, or ``argument NAME``.
    """

    def policy(self, otherwise: Policy) -> Policy:
        """
        Return the policy that the settings make.

        Args:
            otherwise: What holds for those that are left to the command.
        """
        return otherwise.with_settings(
            {
                name: value
                for name, value in self.values.items()
                if SETTINGS[name].is_for_scopes
            }
        )

    def plain(self) -> dict[str, Any]:
        """
        Return the settings as values of JSON, by the names that TOML has for them.

        The upstream is as it was said, with a password that may be in it.
        """
        return {
            name: None if value is None else SETTINGS[name].show(value)
            for name, value in self.values.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ScopeSettings):
    """What holds for a server, and for the requests of every scope without its own."""

    scopes: Mapping[str, ScopeSettings] = field(default_factory=dict)
    """By name; what a scope doesn't say is as here."""
    files: tuple[Path, ...] = ()
    """The files that were read, the weaker one first."""

    @property
    def cassettes(self) -> Path:
        """The library's folder, absolute or from the current folder on."""
        folder: Path = self.values["cassettes"]
        return folder

    @property
    def port(self) -> int | None:
        """Where to listen; None leaves it to the command."""
        port: int | None = self.values["port"]
        return port
