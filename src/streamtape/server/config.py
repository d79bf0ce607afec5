"""What one server is told at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from streamtape.core.matching.key import DEFAULT_RULES
from streamtape.core.matching.rules import Rules
from streamtape.core.matching.takes import Exhausted
from streamtape.core.modes import OnDisconnect, RecordMode
from streamtape.core.pacing import Pacing
from streamtape.server.clock import cpu_ns
from streamtape.server.http.guard import TOKEN_VARIABLE
from streamtape.server.upstream.url import find_upstream
from streamtape.settings import ScopeSettings, Settings
from streamtape.settings.table import DEFAULT_CASSETTES, get_setting

_POLICY_FIELDS: Final = frozenset(
    {"mode", "exhausted", "collapse_retries", "on_disconnect"}
)
_RULES_FIELDS: Final = frozenset(each.name for each in fields(Rules) if each.compare)


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
    alone_limit_ns: int = 60 * 10**9
    """How long an answer is recorded whose client has left, if it is to finish."""
    alone_limit_bytes: int = 32 * 1024 * 1024
    """How much of it."""

    @property
    def replays_only(self) -> bool:
        """Whether no request at all may go upstream."""
        policies = (self.policy, *self.scopes.values())
        return all(policy.mode is RecordMode.NONE for policy in policies)


def recording_config(settings: Settings, *, port: int) -> Config:
    """
    Return what a server that may record is told.

    Args:
        port: Where to listen.

    Raises:
        UsageError: The upstream can't be one.
    """
    config = Config(
        cassettes=settings.cassettes,
        policy=_policy(
            settings, settings.mode or RecordMode.ALL, where=find_place(settings)
        ),
        scopes={
            name: _policy(
                scope, scope.mode or RecordMode.ALL, where=find_place(settings, name)
            )
            for name, scope in settings.scopes.items()
        },
        port=port,
        listen=settings.listen,
        token=os.environ.get(TOKEN_VARIABLE) or None,
    )
    if config.replays_only:
        return config
    upstream, source = find_upstream(settings, port=port)
    return replace(config, upstream=upstream, upstream_source=source)


def replaying_config(settings: Settings, *, port: int) -> Config:
    """
    Return what a server is told that never opens a connection, whatever is set.

    Args:
        port: Where to listen.
    """
    return Config(
        cassettes=settings.cassettes,
        policy=_policy(settings, RecordMode.NONE, where=find_place(settings)),
        scopes={
            name: _policy(scope, RecordMode.NONE, where=find_place(settings, name))
            for name, scope in settings.scopes.items()
        },
        port=port,
        listen=settings.listen,
        token=os.environ.get(TOKEN_VARIABLE) or None,
    )


def find_place(settings: Settings, scope: str = "") -> str:
    """
    Return where a rule has to be said so that it holds, in a few words.

    Args:
        scope: Name of the scope that it is for; empty for all of them.
    """
    said: ScopeSettings = settings.scopes.get(scope, settings)
    sources = {said.sources[name] for name in _RULES_FIELDS}
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


def _policy(settings: ScopeSettings, mode: RecordMode, *, where: str) -> Policy:
    return Policy(
        mode=mode,
        pacing=settings.pacing,
        exhausted=settings.exhausted or Exhausted.CYCLE,
        collapse_retries=settings.collapse_retries,
        on_disconnect=settings.on_disconnect,
        rules=replace(settings.rules, cpu_ns=cpu_ns),
        where=where,
    )


def adjust(policy: Policy, given: Mapping[str, object]) -> Policy:
    """
    Return a policy with some of its settings changed.

    Args:
        given: Values by the names of the settings, those of matching included; None
            leaves one as it is.

    Raises:
        UsageError: There is no such setting, or it can't be that.
    """
    read = {
        name: get_setting(name, source="scope", is_scope=True).read(value, source=name)
        for name, value in given.items()
        if value is not None
    }
    changed: dict[str, Any] = {
        name: value for name, value in read.items() if name in _POLICY_FIELDS
    }
    pacing: dict[str, Any] = {
        name: value for name, value in read.items() if name == "speed"
    }
    if isinstance(gap_s := read.get("max_gap"), (int, float)):
        pacing["max_gap_ns"] = round(gap_s * 1e9)
    rules: dict[str, Any] = {
        name: value for name, value in read.items() if name in _RULES_FIELDS
    }
    return replace(
        policy,
        pacing=replace(policy.pacing, **pacing),
        rules=replace(policy.rules, **rules),
        **changed,
    )
