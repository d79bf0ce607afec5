"""What one server is given at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

from streamtape.core.matching.rules import Rules
from streamtape.core.modes import RecordMode
from streamtape.server.clock import cpu_ns
from streamtape.server.http.guard import TOKEN_VARIABLE
from streamtape.server.upstream.url import find_upstream
from streamtape.settings import Policy, ScopeSettings, Settings
from streamtape.settings.table import DEFAULT_CASSETTES, SETTINGS, get_setting

_RULES: Final = frozenset(each.name for each in fields(Rules) if each.compare)
"""The names of the settings that matching goes by."""
_CHECKED: Final = frozenset({"upstream", "port"})
"""Settings that are not taken as they were said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where to listen, what to answer from, and how."""

    cassettes: Path = field(default_factory=lambda: Path(DEFAULT_CASSETTES))
    """The library's folder."""
    policy: Policy = field(default_factory=Policy)
    scopes: Mapping[str, Policy] = field(default_factory=dict)
    """What differs in some scopes, by their names; the others have the policy."""
    upstream: str | None = None
    """Base URL to forward to; None in a server that only replays."""
    upstream_source: str = field(default="", compare=False)
    """Who named it, as in the settings; empty if that is not known."""
    port: int = 0
    """On the loopback interface; 0 picks a free one."""
    listen: str | None = None
    """Another IP address to listen on, where requests need a token."""
    token: str | None = field(default=None, repr=False)
    """That token; None makes one."""
    idle_limit_ns: int = 600 * 10**9
    """
    Longest silence of the upstream before a request is given up.

    Ten minutes, as the SDKs wait; pings count as a sign of life.
    """
    body_limit_bytes: int = 32 * 1024 * 1024
    """Largest request body that is taken; the API takes as much."""
    body_stall_ns: int = 30 * 10**9
    """
    Longest silence of a client within the body of its request.

    All of it may take twice as long, and longer by how much of it has come.
    """
    head_limit_ns: int = 30 * 10**9
    """How long a client may take for the head of its request."""
    most_requests: int | None = None
    """How many are answered at once; None for what the system's limits allow."""
    detached_limit_ns: int = 60 * 10**9
    """How long an answer is recorded whose client has left, if it is to finish."""
    detached_limit_bytes: int = 32 * 1024 * 1024
    """How much of it."""

    @property
    def replays_only(self) -> bool:
        """Whether no request at all may go upstream."""
        policies = (self.policy, *self.scopes.values())
        return all(policy.mode is RecordMode.NONE for policy in policies)


def recording_config(settings: Settings, *, port: int) -> Config:
    """
    Return the configuration of a server that may record.

    Args:
        port: Where to listen.

    Raises:
        UsageError: The upstream can't be one.
    """
    config = _config(settings, port=port, otherwise=RecordMode.ALL)
    if config.replays_only:
        return config
    upstream, source = find_upstream(settings, port=port)
    return replace(config, upstream=upstream, upstream_source=source)


def replaying_config(settings: Settings, *, port: int) -> Config:
    """
    Return the configuration of a server that never opens a connection, whatever is set.

    Args:
        port: Where to listen.
    """
    config = _config(settings, port=port, otherwise=RecordMode.NONE)
    return replace(
        config,
        policy=replace(config.policy, mode=RecordMode.NONE),
        scopes={
            name: replace(policy, mode=RecordMode.NONE)
            for name, policy in config.scopes.items()
        },
    )


def _config(settings: Settings, *, port: int, otherwise: RecordMode) -> Config:
    """Return what the settings say; the mode that they leave open is the other one."""
    own = {each.name for each in fields(Config)} - _CHECKED
    values = {
        setting.field: settings.values[setting.name]
        for setting in SETTINGS.values()
        if setting.field in own
    }
    return Config(
        **values,
        policy=make_policy(settings, otherwise, where=find_place(settings)),
        scopes={
            name: make_policy(scope, otherwise, where=find_place(settings, name))
            for name, scope in settings.scopes.items()
        },
        port=port,
        token=os.environ.get(TOKEN_VARIABLE) or None,
    )


def find_place(settings: Settings, scope: str = "") -> str:
    """
    Return where a rule has to be said so that it holds, in a few words.

    Args:
        scope: Name of the scope that it is for; empty for all of them.
    """
    said: ScopeSettings = settings.scopes.get(scope, settings)
    sources = {said.sources[name] for name in _RULES}
    for source in sorted(sources):
        if source.startswith(("--", "STREAMTAPE_", "argument ")):
            return f"{source}, which goes before every file,"
    path = settings.files[-1] if settings.files else Path("pyproject.toml")
    if path.parent == Path.cwd():
        path = Path(path.name)
    tables = ["tool.streamtape"] if path.name == "pyproject.toml" else []
    if any("[scopes." in source for source in sources):
        tables.append(f"scopes.{scope}")
    table = ".".join(tables)
    return f"[{table}] of {path}" if table else str(path)


def make_policy(
    settings: ScopeSettings, mode: RecordMode = RecordMode.NONE, *, where: str = ""
) -> Policy:
    """
    Return how a server answers requests under some settings.

    Args:
        mode: What holds where none is set.
        where: Where a rule would have to be said; empty for the usual place.
    """
    # Only a server may stop rules that take too long: the core reads no clock.
    rules = Rules(cpu_ns=cpu_ns)
    return settings.policy(Policy(mode=mode, rules=rules, where=where))


def adjust(policy: Policy, given: Mapping[str, object]) -> Policy:
    """
    Return a policy with some of its settings changed.

    Args:
        given: Values by the names of the settings, those of matching included; None
            leaves one as it is.

    Raises:
        UsageError: There is no such setting, or it can't be that.
    """
    return policy.with_settings(
        {
            name: get_setting(name, source="scope", is_scope=True).read(
                value, source=name
            )
            for name, value in given.items()
            if value is not None
        }
    )
