"""
What holds for a run and for a test: options, variables, ini values and markers.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import pytest

from streamtape.errors import UsageError

if TYPE_CHECKING:
    from streamtape.settings.table import Setting

MARKER: Final = "streamtape"

_MODES: Final = ("none", "once", "new_episodes", "all", "passthrough")
_ALIASES: Final = {"rewrite": "all"}
"""What others call a mode of ours."""
_DEFAULTS: Final = {"mode": "none", "speed": "instant", "exhausted": "error"}


class Unused(StrEnum):
    """What becomes of cassettes that no test asks for."""

    IGNORE = "ignore"
    WARN = "warn"
    FAIL = "fail"


def add_options(parser: pytest.Parser) -> None:
    """Add options and ini values; all of them carry our name."""
    group = parser.getgroup("streamtape", "record and replay streaming answers")
    group.addoption(
        "--streamtape-mode",
        choices=[*_MODES, *_ALIASES],
        help="When to record and when to replay; none, the default, only replays.",
    )
    group.addoption(
        "--streamtape-record",
        action="store_const",
        const="all",
        dest="streamtape_mode",
        help="The same as --streamtape-mode=all.",
    )
    group.addoption(
        "--streamtape-speed", help="The pace of replays; instant is the default."
    )
    group.addoption(
        "--streamtape-unused",
        choices=[each.value for each in Unused],
        help="What becomes of cassettes that no test asks for; ignore is the default.",
    )
    group.addoption(
        "--streamtape-report",
        action="store_true",
        help="Say at the end what became of each test's requests.",
    )
    parser.addini("streamtape_mode", "As --streamtape-mode.")
    parser.addini("streamtape_speed", "As --streamtape-speed.")
    parser.addini("streamtape_unused", "As --streamtape-unused.")
    parser.addini("streamtape_report", "As --streamtape-report.", type="bool")
    parser.addini(
        "streamtape_dir", "Folder of cassettes beside a test.", default="cassettes"
    )
    parser.addini("streamtape_upstream", "Base URL to record from.")
    parser.addini("streamtape_ignore", "Paths not to match by.", type="linelist")
    parser.addini(
        "streamtape_env",
        "Whether tests get the environment that leads SDKs here.",
        type="bool",
        default=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSettings:
    """What holds for one test: settings by their names, and where its cassettes are."""

    values: Mapping[str, object]
    upstream_source: str
    """Who named the upstream; empty if that is none of the settings."""
    cassettes: str | None
    """A folder that it shares with others, from the cassettes' folder on; or None."""


def read_test_settings(
    item: pytest.Item, configured: Mapping[str, object]
) -> TestSettings:
    """
    Merge what is said of a test.

    From the weakest: ini values, what the ``streamtape_config`` fixture returned,
    markers from the module to the function, variables, the command line. With ``CI``
    set nothing is recorded unless the command line says so.

    Raises:
        UsageError: A marker or the fixture says something that there isn't.
    """
    config = item.config
    values: dict[str, object] = {**_DEFAULTS}
    fixture, marker = "the fixture streamtape_config", f"@pytest.mark.{MARKER}"
    upstream_source = ""
    for source, said in (
        ("streamtape_upstream", dict(_ini_values(config))),
        (fixture, _checked(configured, fixture)),
        *((marker, _read_mark(m)) for m in reversed([*item.iter_markers(MARKER)])),
    ):
        values |= said
        if "upstream" in said:
            upstream_source = source
    environment = {
        name: value
        for name in ("mode", "speed")
        if (value := os.environ.get(f"STREAMTAPE_{name.upper()}"))
    }
    values |= environment
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        values["mode"] = "none"
    for name in ("mode", "speed"):
        if (said := config.getoption(f"streamtape_{name}")) is not None:
            values[name] = said
    values["mode"] = _read_mode(values["mode"])
    cassettes = values.pop("cassettes", None)
    return TestSettings(
        values=values,
        upstream_source=upstream_source,
        cassettes=None if cassettes is None else str(cassettes),
    )


@contextmanager
def usage_errors() -> Iterator[None]:
    """Let settings that can't be used fail a test with a sentence."""
    try:
        yield
    except UsageError as error:
        pytest.fail(f"streamtape: {error}", pytrace=False)


def find_unused(config: pytest.Config) -> Unused:
    """
    Return what becomes of cassettes that no test asks for.

    Raises:
        pytest.UsageError: The ini value is none of the choices.
    """
    said = config.getoption("streamtape_unused") or config.getini("streamtape_unused")
    try:
        return Unused(said or Unused.IGNORE)
    except ValueError as error:
        choices = ", ".join(Unused)
        message = f"streamtape_unused: expected one of {choices}; got {said!r}"
        raise pytest.UsageError(message) from error


def wants_report(config: pytest.Config) -> bool:
    """Whether to say at the end what became of each test's requests."""
    return bool(
        config.getoption("streamtape_report") or config.getini("streamtape_report")
    )


def _ini_values(config: pytest.Config) -> Iterator[tuple[str, object]]:
    for name in ("mode", "speed", "upstream", "ignore"):
        if value := config.getini(f"streamtape_{name}"):
            yield name, value


def _read_mark(mark: pytest.Mark) -> dict[str, object]:
    said: dict[str, Any] = dict(mark.kwargs)
    if len(mark.args) > 1:
        message = f"@pytest.mark.{MARKER}: expected one folder, got {mark.args}"
        raise UsageError(message)
    if mark.args:
        said["cassettes"] = mark.args[0]
    return _checked(said, f"@pytest.mark.{MARKER}")


def _checked(said: Mapping[str, object], source: str) -> dict[str, object]:
    known = ["cassettes", *(setting.name for setting in _settings())]
    for name in said:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else ", ".join(known)
            raise UsageError(f"{source}: unknown word {name!r}; {hint}")
    return {name: value for name, value in said.items() if value is not None}


def _settings() -> Iterator[Setting]:
    """Yield what can be said of one test."""
    # A run without a marked test is spared what this loads.
    from streamtape.settings.table import SETTINGS

    for name, setting in SETTINGS.items():
        if setting.is_for_scopes or name == "upstream":
            yield setting


def explain_marker() -> str:
    """Return the words of the marker as a table in Markdown, ending in a newline."""
    lines = [
        "| Word | Value | Default | Meaning |",
        "| --- | --- | --- | --- |",
        "| `cassettes` | a folder |  | One within `cassettes/` that tests share, "
        "instead of their own; also as the only argument without a name. |",
    ]
    for setting in _settings():
        default = _DEFAULTS.get(setting.name, "")
        cells = f"`{setting.name}`", setting.expected, default, setting.help
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _read_mode(said: object) -> str:
    mode = _ALIASES.get(str(said), str(said))
    if mode not in _MODES:
        message = f"streamtape mode: expected one of {', '.join(_MODES)}; got {said!r}"
        raise UsageError(message)
    return mode
