from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.table import Table

from streamtape.cli._render import (
    dump_json,
    escape,
    make_console,
    note,
    print_block,
    print_json,
    print_line,
    print_table,
    shorten,
)
from streamtape.cli._words import format_ns
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError


@pytest.fixture
def console() -> Console:
    """A terminal 30 columns wide whose output can be read back."""
    return Console(file=io.StringIO(), width=30, markup=False, highlight=False)


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().split("\n")[:-1]


def unsafe_chars() -> Iterator[str]:
    yield from map(chr, range(0x20))
    yield from map(chr, range(0x7F, 0xA0))
    for first, last in (
        (0x200B, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x2064),
        (0x2066, 0x206F),
        (0xD800, 0xDFFF),
        (0xE0001, 0xE0001),
        (0xE0020, 0xE007F),
    ):
        yield from map(chr, range(first, last + 1))
    yield from "\u00ad\u061c\u180e\ufeff"


def test_every_char_that_moves_the_cursor_hides_or_reorders_is_an_escape() -> None:
    for char in unsafe_chars():
        escaped = escape(f"a{char}b")

        assert escaped.isascii()
        assert escaped.isprintable()
        assert escaped.startswith("a\\")
        assert escaped.endswith("b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\x1b[2J", "\\x1b[2J", id="csi"),
        pytest.param("\x9b2J", "\\x9b2J", id="c1-csi"),
        pytest.param("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07", id="osc-52"),
        pytest.param("safe\rEVIL", "safe\\rEVIL", id="cr"),
        pytest.param("a\tb\nc", "a\\tb\\nc", id="tab-and-lf"),
        pytest.param("\x7f", "\\x7f", id="del"),
        pytest.param("\u202egnp.exe", "\\u202egnp.exe", id="bidi"),
        pytest.param("\udcff", "\\udcff", id="a-name-that-is-no-utf-8"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag"),
        pytest.param("[bold]x[/]", "[bold]x[/]", id="markup-is-text"),
        pytest.param("C:\\x1b", "C:\\x1b", id="backslash-is-text"),
        pytest.param("日本　語 é\xa0🦊", "日本　語 é\xa0🦊", id="writing-is-kept"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_only_the_chars_to_keep_are_kept() -> None:
    assert escape("a\nb\r", keep="\n") == "a\nb\\r"


@pytest.mark.parametrize(
    ("time_ns", "expected"),
    [
        (None, "-"),
        (0, "0 ms"),
        (1, "<0.1 ms"),
        (50_000, "0.1 ms"),
        (9_900_000, "9.9 ms"),
        (9_960_000, "10 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1.00 s"),
        (59_990_000_000, "59.99 s"),
        (59_996_000_000, "1 m 00 s"),
        (3_605_000_000_000, "60 m 05 s"),
    ],
)
def test_a_time_has_the_unit_and_digits_that_fit(
    time_ns: int | None, expected: str
) -> None:
    assert format_ns(time_ns) == expected


def test_a_shortened_text_is_as_long_as_asked() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


def test_markup_in_a_line_is_text(console: Console) -> None:
    print_line(console, "[bold]x[/bold] :smile: ", ("[/]", "red"))

    assert printed(console) == ["[bold]x[/bold] :smile: [/]"]


def test_what_does_not_fit_in_a_line_is_indented(console: Console) -> None:
    """Or else a long header could end in a line that looks like ours."""
    print_line(console, ("name: ", "dim"), " " * 25 + "Ending " + "x" * 30, indent=" ")

    assert printed(console) == [" name:", "  Ending", "  " + "x" * 28, "  xx"]


def test_a_table_has_no_blanks_at_its_ends(console: Console) -> None:
    table = Table("a", "b", box=None, pad_edge=False)
    table.add_row("1", "[red]")
    table.add_row("1234", "")

    print_table(console, table, indent="  ")

    assert printed(console) == ["  a     b", "  1     [red]", "  1234"]


def test_a_block_is_wrapped_indented_and_escaped(console: Console) -> None:
    print_block(
        console,
        "\tone two three four five six seven\n\n\x1b[Hsix \r\nseven",
        limit=None,
    )

    assert printed(console) == [
        "      one two three four five",
        "  six seven",
        "",
        "  \\x1b[Hsix \\r",
        "  seven",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1\n2", ["  1", "  2"], id="short"),
        pytest.param("1\n2\n3", ["  1", "  2", "  3"], id="just-fits"),
        pytest.param(
            "1\n2\n3\n4",
            ["  1", "  2", "  3", "  … and more: --full shows all"],
            id="a-line-too-many",
        ),
        pytest.param(
            "x" * 10**6,
            [*["  " + "x" * 28] * 3, "  … and more: --full shows all"],
            id="one-endless-line",
        ),
    ],
)
def test_a_long_block_is_cut_and_says_so(
    console: Console, text: str, expected: list[str]
) -> None:
    print_block(console, text, limit=3)

    assert printed(console) == expected


def test_the_console_itself_takes_text_literally(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_console().print("[bold]x[/bold] :smile: 12")

    assert capsys.readouterr().out == "[bold]x[/bold] :smile: 12\n"


def test_where_there_is_no_terminal_lines_are_not_wrapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    print_block(make_console(), "word " * 1000 + "end", limit=None)

    assert capsys.readouterr().out == "  " + "word " * 1000 + "end\n"


def test_an_output_without_unicode_gets_escapes() -> None:
    binary = io.BytesIO()
    output = io.TextIOWrapper(binary, encoding="ascii")

    with contextlib.redirect_stdout(output):
        print_line(make_console(), "日 …")

    output.flush()
    assert binary.getvalue() == b"\\u65e5 \\u2026\n"


def test_notes_go_to_stderr_without_escapes_and_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secrets = Secrets()
    secrets.add("corp7-alpha-bravo")

    note("no \x1b[31m[red] corp7-alpha-bravo", secrets)

    assert capsys.readouterr() == ("", "no \\x1b[31m[red] [redacted]\n")


def test_json_is_ascii_and_holds_no_numbers_that_json_has_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"a": ["\x7f\x9b\u202e\ud800é", float("nan"), float("-inf"), 1.5]}

    print_json(value)

    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x7f" not in out
    assert json.loads(out) == {"a": ["\x7f\x9b\u202e\ud800é", "NaN", "-Infinity", 1.5]}


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(CassetteError, match="nested too deeply"):
        print_json(nested(100_000))


def test_json_for_people_survives_deep_nesting() -> None:
    assert dump_json(nested(100_000)) == "(nested too deeply to be shown)"
    assert dump_json({"é": [1]}, indent=1) == '{\n "é": [\n  1\n ]\n}'
