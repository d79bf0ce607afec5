"""
Write the parts of the docs that say what the code says.

``docs/cli.md`` is made whole, of the help of every command. In every other
Markdown file the lines between ``<!-- generated: NAME -->`` and ``<!-- end -->``
are replaced by what the function of that name in REGIONS returns.

With ``--check`` nothing is written: the exit status is 1, after a diff, if
something would be. It is 1 in any case if a case of reliability lacks its proof.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Final

import click

from proven import find_proofs
from reliability_page import explain_cases, explain_long_run
from streamtape.cli import main as streamtape
from streamtape.core.modes import explain_modes
from streamtape.pytest_plugin.options import explain_marker
from streamtape.settings.table import explain_settings
from walk import explain_walk, walk_of_a_request, walk_of_an_event

ROOT: Final = Path(__file__).parents[1]
CLI_PAGE: Final = ROOT / "docs" / "cli.md"
CLI_INTRO: Final = "# Command line\n\nGenerated from `--help`: `make docs` writes it.\n"
HELP_WIDTH: Final = 80

REGIONS: Final[Mapping[str, Callable[[], str]]] = {
    "cases": lambda: explain_cases(ROOT),
    "long-run": lambda: explain_long_run(ROOT),
    "marker": explain_marker,
    "modes": explain_modes,
    "settings": explain_settings,
    "walk-event": lambda: explain_walk(walk_of_an_event()),
    "walk-request": lambda: explain_walk(walk_of_a_request()),
}
"""What may be generated: functions that return Markdown ending in a newline."""

_REGION = re.compile(
    r"(?P<begin><!-- generated: (?P<name>\S+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def explain_commands(context: click.Context) -> Iterator[str]:
    """Give the section of a command, then those of the commands below it."""
    yield f"\n## {context.command_path}\n\n```text\n{context.get_help()}\n```\n"
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None and not command.hidden:
                child = click.Context(command, info_name=name, parent=context)
                yield from explain_commands(child)


def fill_regions(text: str) -> str:
    """
    Return a Markdown text with its generated regions made anew.

    Raises:
        KeyError: A region has a name that isn't in REGIONS.
    """
    return _REGION.sub(lambda m: m["begin"] + REGIONS[m["name"]]() + m["end"], text)


def make_pages() -> Iterator[tuple[Path, str]]:
    """Give every Markdown file of the project and what should stand in it."""
    settings = {**streamtape.context_settings, "terminal_width": HELP_WIDTH}
    top = click.Context(streamtape, info_name="streamtape", **settings)
    yield CLI_PAGE, CLI_INTRO + "".join(explain_commands(top))
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]):
        if path != CLI_PAGE:
            yield path, fill_regions(path.read_text(encoding="utf-8"))


def main(*, check: bool) -> int:
    """Write the pages, or only compare them; return the exit status."""
    stale = 0
    for path, wanted in make_pages():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == wanted:
            continue
        name = str(path.relative_to(ROOT))
        if check:
            stale = 1
            lines = found.splitlines(True), wanted.splitlines(True)
            sys.stdout.writelines(unified_diff(*lines, name, f"{name} from the code"))
        else:
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {name}")
    if stale:
        print("The docs are out of date: run `make docs`.", file=sys.stderr)
    faults = find_proofs(ROOT / "tests").faults
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(stale or faults))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
