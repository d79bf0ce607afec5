"""``streamtape config``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table
from rich.text import Text

from streamtape.cli._options import setting_options
from streamtape.cli._render import (
    escape,
    make_console,
    print_json,
    print_line,
    print_table,
)
from streamtape.server.environment import OWN_PATH
from streamtape.settings.table import SETTINGS

if TYPE_CHECKING:
    from streamtape.settings import ScopeSettings, Settings

_NOT_SHOWN: Final = "(not shown: it may hold a password)"


@click.command()
@setting_options(*SETTINGS)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object.")
def config(settings: Settings, is_json: bool) -> None:
    """
    Show the settings that hold here, and where each was said.

    A flag goes before its variable, that before streamtape.toml, and that before
    [tool.streamtape] in pyproject.toml. The files are those of the nearest folder
    that has any, from the current one upwards.

    \b
    Examples:
      streamtape config
      STREAMTAPE_SPEED=10 streamtape config --json
    """
    files = [str(path) for path in settings.files]
    if is_json:
        scopes = {name: _shown(scope) for name, scope in settings.scopes.items()}
        print_json({**_shown(settings), "scopes": scopes, "files": files})
        return
    console = make_console()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("name", "value", "from", style="dim")
    for cells in _rows(settings):
        table.add_row(*(Text(escape(cell), overflow="fold") for cell in cells))
    print_table(console, table)
    read = ", ".join(map(escape, reversed(files)))
    print_line(
        console, (f"Read: {read}" if read else "No settings file was found.", "dim")
    )


def _shown(settings: ScopeSettings) -> dict[str, dict[str, Any]]:
    """Return each value and its source, without what is a secret."""
    return {
        name: {
            "value": _safe(value) if name == "upstream" else value,
            "source": settings.sources[name],
        }
        for name, value in settings.plain().items()
    }


def _safe(url: str | None) -> str | None:
    # A user name, a password or a key can stand in these parts alone, and so can the
    # token of another streamtape; a server refuses an upstream that has any.
    has_secret = url and (set(url) & set("@?#") or OWN_PATH in url)
    return _NOT_SHOWN if has_secret else url


def _rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield the settings, and of each scope those that are its own."""
    for name, shown in _shown(settings).items():
        yield name, _text(name, shown["value"]), shown["source"]
    for scope, own in settings.scopes.items():
        for name, shown in _shown(own).items():
            if shown["source"] != settings.sources[name]:
                yield f"{scope}: {name}", _text(name, shown["value"]), shown["source"]


def _text(name: str, value: Any) -> str:
    match value:
        case None | []:
            shown = SETTINGS[name].shown_default
            return f"({shown})" if shown else "-"
        case str():
            return value
        case float():
            return str(value).removesuffix(".0")
        case _:
            return json.dumps(value, ensure_ascii=False)
