"""``streamtape ls``, which reads no more of each file than it must."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from streamtape.cli._files import NAMED_PATH, find_files
from streamtape.cli._options import cassettes_option, pass_secrets
from streamtape.cli._progress import waiting
from streamtape.cli._render import (
    escape,
    make_console,
    note,
    print_json,
    print_table,
    shorten,
)
from streamtape.cli._words import (
    MISSING,
    FileState,
    format_ns,
    state_style,
    state_words,
)
from streamtape.core.format.records import End
from streamtape.core.messages.deltas import read_event
from streamtape.core.messages.events import StreamSummary, delta_kind
from streamtape.core.messages.providers import find_output_tokens
from streamtape.core.model import EndReason, Part, Request
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.stream_formats import StreamFormat, is_array
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    UnsupportedVersionError,
)
from streamtape.library.disk import is_locked
from streamtape.library.reader import CassetteReader, read_end
from streamtape.library.writer import PART_SUFFIX

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
    """A column of the table, after the name."""

    title: str
    rank: int
    """Where there is no room columns are left out, the highest rank first."""
    cell: Callable[[Row], str]
    is_number: bool = False

    def width(self, rows: Sequence[Row]) -> int:
        """How many columns of the terminal the title and all cells need."""
        return max(cell_len(text) for text in (self.title, *map(self.text, rows)))

    def text(self, row: Row) -> str:
        """The cell of one row, safe to print."""
        return shorten(escape(self.cell(row)), _CELL_CHARS)

    def pad(self, text: str, width: int) -> str:
        """Fill a cell up on the side where it has no edge."""
        blanks = " " * (width - cell_len(text))
        return blanks + text if self.is_number else text + blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One file of a listing; None is what it does not say."""

    name: str
    path: str
    state: EndReason | FileState
    reason: str | None = None
    """Why a file can't be used, or a detail of its ending."""
    recorded_at: str | None = None
    method: str | None = None
    target: str | None = None
    model: str | None = None
    status: int | None = None
    events: int | None = None
    """None where the body is no stream."""
    body_bytes: int | None = None
    time_to_headers_ns: int | None = None
    ttft_ns: int | None = None
    duration_ns: int | None = None
    stop_reason: str | None = None
    error_type: str | None = None
    output_tokens: int | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the file holds something to show."""
        return self.method is not None


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
@pass_secrets
def ls(
    secrets: Secrets, paths: tuple[Path, ...], cassettes: Path, is_json: bool
) -> None:
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
        told = f"No cassettes in {where} yet. To make some: streamtape record"
        note(told, secrets)


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
    """Return the columns for which there is room, and their widths."""
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


_FIRST_PARTS: Final = 64
"""
How many parts are searched for the first token of a file that has an END record.

It comes after ``message_start``, ``content_block_start`` and maybe some pings.
"""


def read_row(path: Path, name: str) -> Row:
    """
    Look at one file; one that is no sound cassette is a row that says so.

    Where an END record can be found, only it and the first block of the file are
    read, so that damage between them is not seen.
    """
    is_recording = path.suffix == PART_SUFFIX and is_locked(path)
    try:
        return _read_usable(path, name, is_recording=is_recording)
    except CassetteError as error:
        if is_recording:
            return Row(name=name, path=str(path), state=FileState.RECORDING)
        match error:
            case DamagedCassetteError():
                state = FileState.DAMAGED
            case UnsupportedVersionError():
                state = FileState.UNSUPPORTED
            case _:
                state = FileState.NOT_A_CASSETTE
        return Row(name=name, path=str(path), state=state, reason=error.reason)


def _read_usable(path: Path, name: str, *, is_recording: bool) -> Row:
    end = read_end(path)
    with CassetteReader(path) as reader:
        request, response = reader.request, reader.response
        stream_format = (
            StreamFormat.NONE if response is None else response.stream_format
        )
        parts = reader.parts()
        first = list(islice(parts, 1)) if stream_format is StreamFormat.ARRAY else []
        if stream_format is StreamFormat.ARRAY and not (
            first and is_array(first[0].raw)
        ):
            stream_format = StreamFormat.NONE
        if stream_format is not StreamFormat.NONE:
            first = list(_read_to_token(chain(first, parts), stream_format))
        if end is None:
            end = _read_to_end(reader, chain(first, parts), stream_format)
    ending, summary = end.ending, end.summary
    stop_reason = _find_str(summary.get("stop_reason"))
    return Row(
        name=name,
        path=str(path),
        state=FileState.RECORDING if is_recording else ending.reason,
        reason=None if is_recording else ending.detail or None,
        recorded_at=reader.recorded_at,
        method=request.method,
        target=request.target,
        model=_find_str(summary.get("model")) or _find_asked_model(request),
        status=None if response is None else response.status,
        events=None if stream_format is StreamFormat.NONE else end.part_count,
        body_bytes=end.body_bytes,
        time_to_headers_ns=None if response is None else response.offset_ns,
        ttft_ns=_find_ttft(first, stream_format),
        duration_ns=ending.offset_ns,
        stop_reason=stop_reason,
        error_type=_find_str(summary.get("error_type")),
        # The count of message_start is only that of a beginning.
        output_tokens=None if stop_reason is None else _find_tokens(summary),
    )


def _read_to_token(
    parts: Iterable[Part], stream_format: StreamFormat
) -> Iterator[Part]:
    """Yield the parts up to the one that holds the first token, if it comes soon."""
    for part in islice(parts, _FIRST_PARTS):
        yield part
        if _adds_something(part, stream_format):
            return


def _read_to_end(
    reader: CassetteReader, parts: Iterable[Part], stream_format: StreamFormat
) -> End:
    """Return the END record, or what it would say so far where there is none."""
    summary = StreamSummary()
    part_count = body_bytes = 0
    for part in parts:
        if stream_format is not StreamFormat.NONE:
            summary.feed(read_event(part.raw, stream_format))
        part_count += 1
        body_bytes += len(part.raw)
    if reader.end is not None:
        return reader.end
    return End(
        ending=reader.ending,
        part_count=part_count,
        body_bytes=body_bytes,
        summary={
            "error_type": summary.error_type,
            "model": summary.model,
            "stop_reason": summary.stop_reason,
            "usage": summary.usage,
        },
    )


def _find_ttft(first: Sequence[Part], stream_format: StreamFormat) -> int | None:
    has_token = bool(first) and _adds_something(first[-1], stream_format)
    return first[-1].offset_ns if has_token else None


def _adds_something(part: Part, stream_format: StreamFormat) -> bool:
    is_event = stream_format is not StreamFormat.NONE
    return is_event and delta_kind(read_event(part.raw, stream_format)) is not None


def _find_tokens(summary: dict[str, Any]) -> int | None:
    usage = summary.get("usage")
    return find_output_tokens(usage) if isinstance(usage, dict) else None


def _find_asked_model(request: Request) -> str | None:
    """The model that was asked for, where the answer names none: an error, a count."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return _find_str(body.get("model")) if isinstance(body, dict) else None


def _find_str(value: object) -> str | None:
    return value if isinstance(value, str) else None
