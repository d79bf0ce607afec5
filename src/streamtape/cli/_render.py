"""
What every command prints with: safe text, lines, blocks, tables and JSON.

Recorded text is written by strangers. Whatever of it goes to a terminal goes
through :func:`escape` first, and never through rich's markup.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_text
from streamtape.errors import CassetteError

if TYPE_CHECKING:
    from rich.table import Table

Styled: TypeAlias = str | tuple[str, str]
"""Text, or text and a style of rich."""

INDENT: Final = "  "
"""Before every line that isn't a heading."""

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, invisible formats (bidi among them), lone surrogates, line separators."""

_UNLIMITED_WIDTH = 1_000_000_000
_READABLE_WIDTH = 100


def escape(text: str, *, keep: str = "") -> str:
    r"""
    Return the text with all that could move a cursor, hide or reorder as escapes.

    An escape is one of Python's: ``\x1b``, ``\n``, ``\u202e``. Text that has none
    of these characters is returned as it is, backslashes too: it is to be read, not
    to be parsed.

    Args:
        keep: Characters to leave alone, such as line feeds in a block of text.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char in keep or unicodedata.category(char) not in _UNSAFE
        else char.encode("unicode_escape").decode()
        for char in text
    )


def make_safe(text: str, secrets: Secrets, *, keep: str = "") -> str:
    """
    Return a text of ours, which may quote others', without secrets and escapes.

    Args:
        keep: Characters to leave alone, as for :func:`escape`.
    """
    # Only what is escaped can be told from bytes that were no text.
    return clean_text(escape(text, keep=keep), secrets)


def shorten(text: str, limit: int) -> str:
    """
    Return the text, or so much of its beginning that it has `limit` characters
    with the ellipsis that stands for the rest.
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def note(text: str, secrets: Secrets) -> None:
    """
    Say something about the output, on stderr; the text is made safe here.

    Where nobody takes it, nothing else fails for that.
    """
    with contextlib.suppress(OSError):
        click.echo(make_safe(text, secrets), err=True)


def make_console() -> Console:
    """
    Return a console on stdout that takes text literally.

    Where stdout is no terminal its lines are as long as they need to be, unless
    ``COLUMNS`` says otherwise.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An encoding that has no arrows or no Chinese must not end the listing.
        sys.stdout.reconfigure(errors="backslashreplace")
    is_limited = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = None if is_limited else _UNLIMITED_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_line(console: Console, *pieces: Styled, indent: str = "") -> None:
    """
    Print pieces that are escaped already, and indent what doesn't fit in one line.

    So recorded text never begins a line of its own, and can't pass for ours.
    """
    width = max(console.width - max(len(indent), len(INDENT)), 1)
    for line in Text.assemble(*pieces).wrap(console, width):
        line.rstrip()
        console.print(Text.assemble(indent, line), soft_wrap=True)
        indent = INDENT


def print_table(console: Console, table: Table, *, indent: str = "") -> None:
    """Print a table without the blanks that rich puts after the last cell."""
    options = console.options.update_width(console.width - len(indent))
    for segments in console.render_lines(table, options, pad=False):
        pieces = ((segment.text, segment.style or "") for segment in segments)
        line = Text.assemble(indent, *pieces)
        line.rstrip()
        console.print(line, soft_wrap=True)


def print_block(console: Console, text: str, *, limit: int | None) -> None:
    """
    Print recorded text, wrapped and indented, so that it can't pass for ours.

    Args:
        text: Not escaped; its line feeds are kept and its tabs become blanks.
        limit: After how many lines to stop and to say so; None for never.
    """
    width = max(console.width - len(INDENT), 1)
    most = None
    if limit is not None:
        width = min(width, _READABLE_WIDTH)
        most = (limit + 1) * width
    lines = (
        line
        for paragraph in text.expandtabs(4).split("\n")
        for line in _wrap(console, escape(paragraph[:most]), width)
    )
    for line in islice(lines, limit):
        print_line(console, line, indent=INDENT if line else "")
    if next(lines, None) is not None:
        print_line(console, ("… and more: --full shows all", "dim"), indent=INDENT)


def dump_json(value: object, *, indent: int | None = None) -> str:
    """Write JSON for people to read; it still has to be escaped."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to be shown)"


def dump_body(body: bytes) -> str:
    """Lay a body out for people: JSON over lines, anything else as text."""
    try:
        return dump_json(json.loads(body), indent=2)
    except (ValueError, RecursionError):
        return body.decode(errors="backslashreplace")


def print_json(value: object) -> None:
    """
    Print a value as JSON in ASCII alone, which is safe on a terminal too.

    Numbers that JSON can't hold, which Python's reader lets in, become strings.

    Raises:
        CassetteError: It is nested too deeply to be written again.
    """
    try:
        try:
            text = json.dumps(value, indent=2, allow_nan=False)
        except ValueError:
            plain = json.loads(json.dumps(value), parse_constant=str)
            text = json.dumps(plain, indent=2)
    except RecursionError as error:
        raise CassetteError("its JSON is nested too deeply to be shown") from error
    click.echo(text)


def _wrap(console: Console, line: str, width: int) -> Iterator[str]:
    if cell_len(line) <= width:
        yield line
    else:
        for piece in Text(line).wrap(console, width):
            yield piece.plain.rstrip()
