"""
Which settings hold: what was said in several places, merged name by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from streamtape.core.matching.rules import Rules
from streamtape.errors import UsageError
from streamtape.settings.files import SettingsFile, find_settings_files
from streamtape.settings.model import ScopeSettings, Settings
from streamtape.settings.table import SCOPES, SETTINGS, get_setting
from streamtape.settings.values import describe

DEFAULT_SOURCE: Final = "default"


_Said: TypeAlias = dict[str, tuple[Any, str]]
"""Values and where they were said, by the names of the settings."""


def resolve(
    given: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    are_flags: bool = False,
) -> Settings:
    """
    Return the settings that hold.

    For each name it is what was given, or else what its variable says, or else
    ``streamtape.toml``, or else ``pyproject.toml``, or else the variable that others
    read too, or else the default.

    Args:
        given: Flags or arguments: text as people write it, or values; None stands
            for what was not given.
        environ: The environment; None for that of the process. A variable whose
            setting was given is not looked at, and an empty one is none.
        folder: Where to look for files first, and where relative paths begin that no
            file says; None for the current folder.
        are_flags: Whether what was given are flags, for what is said about them.

    Raises:
        UsageError: A name is unknown or a value is not what was expected; says
            where.
    """
    variables = os.environ if environ is None else environ
    top: _Said = {
        name: (setting.default, DEFAULT_SOURCE) for name, setting in SETTINGS.items()
    } | _read_foreign_variables(variables)
    scopes: dict[str, _Said] = {}
    current = _current_folder(folder)
    files = find_settings_files(current, home=_home())
    for file in files:
        top |= _read_file(file, current)
        for name, said in _read_scopes(file):
            scopes[name] = scopes.get(name, {}) | said
    strongest = _read_given(given or {}, are_flags=are_flags)
    strongest = _read_variables(variables, besides=strongest) | strongest
    of_files = _for_scopes(top)
    top |= strongest
    return Settings(
        **_common(top),
        upstream=top["upstream"][0],
        cassettes=(folder or Path()) / top["cassettes"][0],
        port=top["port"][0],
        listen=top["listen"][0],
        scopes={
            name: ScopeSettings(**_common(of_files | said | _for_scopes(strongest)))
            for name, said in scopes.items()
        },
        files=tuple(file.path for file in files),
    )


def _for_scopes(said: _Said) -> _Said:
    return {name: said[name] for name in said if SETTINGS[name].is_for_scopes}


def _read_given(given: Mapping[str, object], *, are_flags: bool) -> _Said:
    read: _Said = {}
    for name, value in given.items():
        if value is not None:
            setting = get_setting(name, source="arguments")
            source = setting.flag if are_flags else f"argument {name}"
            # A list in Python is a list: text would be split at its blanks.
            if isinstance(value, str) and not setting.is_list:
                value = setting.parse(value)
            read[name] = setting.read(value, source=source), source
    return read


def _read_variables(variables: Mapping[str, str], *, besides: _Said) -> _Said:
    return {
        name: (setting.read_text(text, source=source), source)
        for name, setting in SETTINGS.items()
        if name not in besides
        and (text := variables.get(source := setting.variable, ""))
    }


def _read_foreign_variables(variables: Mapping[str, str]) -> _Said:
    return {
        name: (setting.read_text(text, source=source), source)
        for name, setting in SETTINGS.items()
        if (source := setting.foreign_variable) and (text := variables.get(source))
    }


def _read_file(file: SettingsFile, current: Path) -> _Said:
    table = {name: value for name, value in file.table.items() if name != SCOPES}
    read = _read_table(table, file)
    parent = file.path.parent
    if "cassettes" in read and parent != current:
        cassettes, source = read["cassettes"]
        read["cassettes"] = parent / cassettes, source
    return read


def _read_scopes(file: SettingsFile) -> Iterator[tuple[str, _Said]]:
    scopes = file.table.get(SCOPES, {})
    if not isinstance(scopes, dict):
        got = describe(scopes)
        message = f"{file.place()}: {SCOPES}: expected a table of tables, got {got}"
        raise UsageError(message)
    for name, table in scopes.items():
        if not isinstance(table, dict):
            place = file.place(SCOPES)
            message = f"{place}: {name}: expected a table, got {describe(table)}"
            raise UsageError(message)
        yield name, _read_table(table, file, scope=name)


def _read_table(
    table: Mapping[str, object], file: SettingsFile, scope: str | None = None
) -> _Said:
    place, source = file.place(), file.path.name
    if scope is not None:
        place, source = file.place(SCOPES, scope), f"{source} [{SCOPES}.{scope}]"
    read: _Said = {}
    for name, value in table.items():
        setting = get_setting(name, source=place, is_scope=scope is not None)
        checked = setting.read(value, source=f"{place}: {name}")
        read[name] = checked, source
    return read


def _common(said: _Said) -> dict[str, Any]:
    """
    Return what the server and each scope have in common, as the fields hold it.
    """
    values = {name: value for name, (value, _) in said.items()}
    gap_s = values["max_gap"]
    return {
        "mode": values["mode"],
        "speed": values["speed"],
        "max_gap_ns": None if gap_s is None else round(gap_s * 1e9),
        "exhausted": values["exhausted"],
        "collapse_retries": values["collapse_retries"],
        "on_disconnect": values["on_disconnect"],
        "rules": Rules(
            ignore=values["ignore"],
            replace=values["replace"],
            headers=values["headers"],
            rename_ids=values["rename_ids"],
            preset=values["preset"],
        ),
        "sources": {name: source for name, (_, source) in said.items()},
    }


def _current_folder(folder: Path | None) -> Path:
    try:
        return (folder or Path.cwd()).resolve()
    except OSError as error:
        message = f"the current folder can't be found: {error.strerror}"
        raise UsageError(message) from error


def _home() -> Path | None:
    try:
        return Path.home().resolve()
    except (OSError, RuntimeError):
        return None
