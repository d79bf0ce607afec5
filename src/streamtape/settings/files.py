"""
The files that hold settings: where they are looked for, and reading them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamtape.errors import UsageError
from streamtape.settings.values import describe

OWN_NAME: Final = "streamtape.toml"
PROJECT_NAME: Final = "pyproject.toml"
_TABLE: Final = "tool.streamtape"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """
    What one file says, not checked yet.
    """

    path: Path
    shown_path: str
    """As a person knows it: its name in the current folder, else the whole path."""
    table: Mapping[str, object]
    table_name: str
    """Of the table in the file; empty where it is the file itself."""

    def place(self, *tables: str) -> str:
        """
        Say where in the file a table is, for the beginning of an error.
        """
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
    """
    Whether there is something, of any kind, that can be seen from here.
    """
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
