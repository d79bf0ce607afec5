"""``streamtape redact``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import click

from streamtape.cli._files import NAMED_PATH, find_targets
from streamtape.cli._options import cassettes_option, pass_secrets
from streamtape.cli._progress import tracked
from streamtape.cli._render import escape, make_console, note, print_json, print_line
from streamtape.cli._signals import exit_on_signals
from streamtape.cli._words import count
from streamtape.core.redaction.secrets import Secrets, is_secret
from streamtape.errors import CassetteError, DamagedCassetteError, UsageError
from streamtape.library.check import command_for
from streamtape.library.disk import is_locked
from streamtape.library.redact import Redacted, redact_file

_MOST_SHOWN: Final = 20
"""Of one file, in the lines for people."""


class Outcome(StrEnum):
    """What became of a file."""

    REDACTED = "redacted"
    WOULD_BE = "would be redacted"
    UNTOUCHED = "untouched"
    RUNNING = "still being recorded"
    FAILED = "failed"


_STYLES: Final = {
    Outcome.FAILED: "red",
    Outcome.REDACTED: "green",
    Outcome.WOULD_BE: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    path: Path
    outcome: Outcome
    redacted: Redacted | None = None
    error: str = ""


@click.command()
@click.argument("paths", nargs=-1, type=NAMED_PATH, metavar="[FOLDER|FILE]...")
@cassettes_option
@click.option(
    "--secret-from",
    "sources",
    multiple=True,
    metavar="VARIABLE",
    help="Take out what this variable holds, too; - reads standard input.  "
    "[repeatable]",
)
@click.option(
    "--dry-run", "is_dry", is_flag=True, help="Change nothing; 1 if it would."
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON array.")
@pass_secrets
def redact(
    secrets: Secrets,
    paths: tuple[Path, ...],
    cassettes: Path,
    sources: tuple[str, ...],
    is_dry: bool,
    is_json: bool,
) -> None:
    """
    Take secrets out of cassettes that are there already.

    They become what a recorder of today would have written: events keep their
    number, order and times, and a cassette without secrets isn't touched. Taken out
    are keys of known kinds, what ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN hold, and
    what you name. The status is 1 if a file could not be redacted, and with
    --dry-run if there is something to do.

    \b
    Examples:
      streamtape redact --dry-run
      streamtape redact --secret-from DATABASE_PASSWORD tests/cassettes
    """
    secrets.remember_environment(os.environ)
    for source in sources:
        secrets.add(_read_secret(source))
    files = find_targets(paths, cassettes)
    with exit_on_signals():
        done = [
            _redact(file, secrets, is_dry=is_dry)
            for file in tracked(files, "Redacting")
        ]
    if is_json:
        print_json([_plain(each) for each in done])
    else:
        _print(done)
    outcomes = {each.outcome for each in done}
    if outcomes & {Outcome.REDACTED, Outcome.WOULD_BE}:
        note(
            "Git's history still has the old bytes: if it was a key, rotate it.",
            secrets,
        )
    if outcomes & {Outcome.FAILED, Outcome.WOULD_BE}:
        sys.exit(1)


def _read_secret(source: str) -> str:
    """
    Read a secret from where no list of processes and no history of a shell shows it.
    """
    if source == "-":
        shown, value = "standard input", sys.stdin.read().strip()
    else:
        shown, value = source, os.environ.get(source, "")
    if not value:
        raise UsageError(f"--secret-from: expected a secret in {shown}, found nothing")
    if not is_secret(value):
        message = (
            f"--secret-from: what {shown} holds is too much like a word to be taken "
            "out everywhere: expected 8 characters or more with a digit, or 20 to 4096"
        )
        raise UsageError(message)
    return value


def _redact(file: Path, secrets: Secrets, *, is_dry: bool) -> _Done:
    if is_locked(file):
        return _Done(path=file, outcome=Outcome.RUNNING)
    try:
        redacted = redact_file(file, secrets, is_dry=is_dry)
    except DamagedCassetteError as error:
        command = command_for("recover", file)
        todo = f"restore it; else {command} keeps what is sound before it"
        said = f"{error.reason}; {todo}"
        return _Done(path=file, outcome=Outcome.FAILED, error=said)
    except CassetteError as error:
        return _Done(path=file, outcome=Outcome.FAILED, error=error.reason)
    outcome = Outcome.UNTOUCHED
    if redacted.count:
        outcome = Outcome.WOULD_BE if is_dry else Outcome.REDACTED
    return _Done(path=file, outcome=outcome, redacted=redacted)


def _print(done: Sequence[_Done]) -> None:
    console = make_console()
    for each in done:
        if each.outcome is Outcome.UNTOUCHED:
            continue
        said = f": {each.error}; it was left as it is" if each.error else ""
        if each.outcome is Outcome.RUNNING:
            said = "; it was left as it is"
        style = _STYLES.get(each.outcome, "dim")
        print_line(
            console, escape(f"{each.path}: "), (each.outcome, style), escape(said)
        )
        if each.redacted is not None:
            shown = each.redacted.leaks[:_MOST_SHOWN]
            for leak in shown:
                print_line(console, escape(f"- {leak}"), indent="  ")
            if each.redacted.place != each.path:
                moved = f"- its name is now {each.redacted.place.name}"
                print_line(console, escape(moved), indent="  ")
            if more := each.redacted.count - len(shown):
                print_line(console, f"- and {more:,} more", indent="  ")
    counts = Counter(each.outcome for each in done)
    found = [f"{counts[outcome]:,} {outcome}" for outcome in Outcome if counts[outcome]]
    print_line(console, f"{count(len(done), 'file')}: {', '.join(found) or 'none'}")


def _plain(done: _Done) -> dict[str, Any]:
    redacted = done.redacted or Redacted([], 0, done.path)
    return {
        "path": str(done.path),
        "place": str(redacted.place),
        "outcome": done.outcome.replace(" ", "_"),
        "secrets": [
            {"kind": leak.kind, "where": leak.where} for leak in redacted.leaks
        ],
        "count": redacted.count,
        "error": done.error or None,
    }
