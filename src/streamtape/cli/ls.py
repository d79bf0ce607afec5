"""
``streamtape ls``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from streamtape.cli._files import NAMED_PATH, find_files
from streamtape.cli._options import cassettes_option
from streamtape.cli._progress import waiting
from streamtape.cli._render import (
    escape,
    make_console,
    note,
    print_json,
    print_table,
    shorten,
)
from streamtape.cli._rows import Row, read_row
from streamtape.cli._words import MISSING, format_ns, state_style, state_words
from streamtape.core.model import EndReason

if TYPE_CHECKING:
    from rich.console import Console

_BLANKS: Final = 2
_BETWEEN: Final = " " * _BLANKS
_NAME_WIDTH: Final = 20
"""Names are folded where all else fails, but not to less than this."""
_CELL_CHARS: Final = 32
"""Longest path, model or stop reason; they are recorded text."""


@dataclass(frozen=True, slots=True)
class _Column:
    """
    A column of the table, behind the name.
    """

    title: str
    rank: int
    """Where there is no room columns are left out, the highest rank first."""
    cell: Callable[[Row], str]
    is_number: bool = False

    def width(self, rows: Sequence[Row]) -> int:
        """
        How many columns of the terminal the title and all cells need.
        """
        return max(cell_len(text) for text in (self.title, *map(self.text, rows)))

    def text(self, row: Row) -> str:
        """
        The cell of one row, safe to print.
        """
        return shorten(escape(self.cell(row)), _CELL_CHARS)

    def pad(self, text: str, width: int) -> str:
        """
        Fill a cell up on the side where it has no edge.
        """
        blanks = " " * (width - cell_len(text))
        return blanks + text if self.is_number else text + blanks


_COLUMNS: Final = (
    _Column("asked", 6, lambda row: f"{row.method} {_path(row)}"),
    _Column("model", 4, lambda row: row.model or MISSING),
    _Column("status", 1, lambda row: _number(row.status), is_number=True),
    _Column("events", 3, lambda row: _number(row.events), is_number=True),
    _Column("time", 0, lambda row: format_ns(row.duration_ns), is_number=True),
    _Column("ttft", 5, lambda row: format_ns(row.ttft_ns), is_number=True),
    _Column("tokens", 2, lambda row: _number(row.output_tokens), is_number=True),
    _Column("end", 0, lambda row: _end(row)),
)
"""The last is never left out, so that it can have its colour."""


@click.command()
@click.argument("paths", nargs=-1, type=NAMED_PATH, metavar="[FOLDER|FILE]...")
@cassettes_option
@click.option("--json", "is_json", is_flag=True, help="Print one JSON array.")
def ls(paths: tuple[Path, ...], cassettes: Path, is_json: bool) -> None:
    """
    List cassettes: what was asked, and how and when the answer came.

    The last column is the stop reason or the error of an answer that came whole,
    and for any other how it broke off. A narrow terminal shows fewer columns;
    --json has everything, times in nanoseconds.

    \b
    Examples:
      streamtape ls
      streamtape ls --json cassettes/chat
    """
    with waiting("Reading the cassettes"):
        rows = [read_row(path, name) for path, name in find_files(paths, cassettes)]
    if is_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        _print_rows(make_console(), rows)
    if not rows:
        where = ", ".join(map(str, paths or (cassettes,)))
        note(f"No cassettes in {where} yet. To make some: streamtape record")


def _print_rows(console: Console, rows: Sequence[Row]) -> None:
    """
    Print a line for each row; what is wrong with a file fills the rest of its line.
    """
    names = [escape(row.name) for row in rows]
    name_width = max(map(cell_len, ("name", *names)))
    room = console.width - name_width - _BLANKS
    usable = [row for row in rows if row.is_usable]
    widths = _fit(usable, room)
    detail_width = sum(widths.values()) + _BLANKS * (len(widths) - 1)
    if len(usable) < len(rows):
        longest = max(cell_len(_fault(row)) for row in rows)
        detail_width = max(detail_width, min(room, longest))
    name_width = min(
        name_width, max(_NAME_WIDTH, console.width - detail_width - _BLANKS)
    )

    table = Table(
        box=None, show_header=False, pad_edge=False, padding=(0, _BLANKS, 0, 0)
    )
    table.add_column(width=name_width, overflow="fold")
    table.add_column(width=detail_width)
    titles = _BETWEEN.join(
        column.pad(column.title, widths[column]) for column in widths
    )
    table.add_row("name", Text(titles, no_wrap=True), style="dim")
    for name, row in zip(names, rows, strict=True):
        table.add_row(Text(name), _details(row, widths))
    print_table(console, table)


def _fit(rows: Sequence[Row], room: int) -> dict[_Column, int]:
    """
    Return the columns for which there is room, and their widths.
    """
    widths = {column: column.width(rows) for column in _COLUMNS}
    for column in sorted(_COLUMNS, key=lambda column: -column.rank):
        if column.rank and sum(widths.values()) + _BLANKS * (len(widths) - 1) > room:
            del widths[column]
    return widths


def _details(row: Row, widths: dict[_Column, int]) -> Text:
    style = "yellow" if row.error_type else state_style(row.state)
    if not row.is_usable:
        return Text(_fault(row), style=style, overflow="fold")
    cells = [column.pad(column.text(row), width) for column, width in widths.items()]
    *others, end = cells
    # Only what is not as it should be has a colour.
    details = Text.assemble(_BETWEEN.join(others), _BETWEEN, (end, style))
    details.no_wrap = True
    return details


def _fault(row: Row) -> str:
    return escape(row.reason or state_words(row.state))


def _path(row: Row) -> str:
    return (row.target or "").partition("?")[0]


def _number(value: int | None) -> str:
    return MISSING if value is None else str(value)


def _end(row: Row) -> str:
    if row.state is not EndReason.COMPLETE:
        return state_words(row.state)
    return row.error_type or row.stop_reason or state_words(row.state)
