"""
Which settings hold: what was said in several places, merged name by name.

The files that hold settings are looked for and read here.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from streamtape.errors import UsageError
from streamtape.settings.parse import describe
from streamtape.settings.policy import ScopeSettings, Settings
from streamtape.settings.table import SCOPES, SETTINGS, get_setting

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
    cassettes, source = top["cassettes"]
    top["cassettes"] = (folder or Path()) / cassettes, source
    return Settings(
        values=_values(top),
        sources=_sources(top),
        scopes={
            name: _scope_settings(of_files | said | _for_scopes(strongest))
            for name, said in scopes.items()
        },
        files=tuple(file.path for file in files),
    )


def _scope_settings(said: _Said) -> ScopeSettings:
    return ScopeSettings(values=_values(said), sources=_sources(said))


def _values(said: _Said) -> dict[str, Any]:
    return {name: value for name, (value, _) in said.items()}


def _sources(said: _Said) -> dict[str, str]:
    return {name: source for name, (_, source) in said.items()}


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


OWN_NAME: Final = "streamtape.toml"
PROJECT_NAME: Final = "pyproject.toml"
_TABLE: Final = "tool.streamtape"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """What one file says, not checked yet."""

    path: Path
    shown_path: str
    """As a person knows it: its name in the current folder, else the whole path."""
    table: Mapping[str, object]
    table_name: str
    """Of the table in the file; empty where it is the file itself."""

    def place(self, *tables: str) -> str:
        """Say where in the file a table is, for the beginning of an error."""
        name = ".".join(filter(None, (self.table_name, *tables)))
        return f"{self.shown_path} [{name}]" if name else self.shown_path


def find_settings_files(folder: Path, *, home: Path | None) -> list[SettingsFile]:
    """
    Return the files of the nearest folder that has any, the weaker one first.

    The search goes upwards from a folder and ends with the first one that holds
    settings or ``.git``, at the home folder, or at the root.

    Args:
        folder: Where to begin; absolute, without symbolic links.
        home: The home folder, alike; None if there is none.

    Raises:
        UsageError: A file can't be read, is no TOML, or has no table where the
            settings should be.
    """
    for searched in (folder, *folder.parents):
        if files := list(_files_in(searched, folder)):
            return files
        if searched == home or _exists(searched / ".git"):
            break
    return []


def _files_in(searched: Path, current: Path) -> Iterator[SettingsFile]:
    project, own = searched / PROJECT_NAME, searched / OWN_NAME
    if _exists(project):
        shown = project.name if searched == current else str(project)
        table = _read(project, shown)
        tools = table.get("tool")
        if isinstance(tools, dict) and "streamtape" in tools:
            ours = tools["streamtape"]
            if not isinstance(ours, dict):
                message = f"{shown} [{_TABLE}]: expected a table, got {describe(ours)}"
                raise UsageError(message)
            yield SettingsFile(
                path=project, shown_path=shown, table=ours, table_name=_TABLE
            )
    if _exists(own):
        shown = own.name if searched == current else str(own)
        table = _read(own, shown)
        yield SettingsFile(path=own, shown_path=shown, table=table, table_name="")


def _exists(path: Path) -> bool:
    """Whether there is something, of any kind, that can be seen from here."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _read(path: Path, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"{shown}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown}: is not UTF-8, as TOML must be") from error
    except RecursionError as error:
        raise UsageError(f"{shown}: is nested too deeply") from error
    except ValueError as error:
        raise UsageError(f"{shown}: is no TOML: {error}") from error
