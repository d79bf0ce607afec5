"""``streamtape check``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from streamtape.cli._files import NAMED_PATH, find_targets
from streamtape.cli._options import cassettes_option, pass_secrets
from streamtape.cli._progress import tracked
from streamtape.cli._render import Styled, escape, make_console, print_json, print_line
from streamtape.cli._words import count
from streamtape.core.redaction.secrets import Secrets
from streamtape.library.check import Finding, Severity, check_file

_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@click.command()
@click.argument("paths", nargs=-1, type=NAMED_PATH, metavar="[FOLDER|FILE]...")
@cassettes_option
@click.option("--json", "is_json", is_flag=True, help="Print one JSON array.")
@click.option("--strict", "is_strict", is_flag=True, help="Let warnings fail, too.")
@pass_secrets
def check(
    secrets: Secrets,
    paths: tuple[Path, ...],
    cassettes: Path,
    is_json: bool,
    is_strict: bool,
) -> None:
    """
    Look for what is wrong with cassettes: damage, secrets, odd events, orphans.

    Every byte is read, and each finding is one line that says what to do. The
    status is 1 if there are errors, and with --strict also for warnings: run it in
    CI and before a commit.

    \b
    Examples:
      streamtape check
      streamtape check --strict tests/cassettes
    """
    secrets.remember_environment(os.environ)
    files = find_targets(paths, cassettes)
    findings = [
        finding
        for file in tracked(files, "Checking")
        for finding in check_file(file, secrets, is_given=file in paths)
    ]
    if is_json:
        print_json([_plain(finding) for finding in findings])
    else:
        _print(findings, len(files))
    severities = {finding.severity for finding in findings}
    is_bad = Severity.ERROR in severities
    if is_bad or (is_strict and Severity.WARNING in severities):
        sys.exit(1)


def _print(findings: Sequence[Finding], file_count: int) -> None:
    console = make_console()
    for finding in findings:
        where = f" ({finding.where})" if finding.where else ""
        todo = f": {finding.todo}" if finding.todo else ""
        severity: Styled = (finding.severity, _STYLES.get(finding.severity, "dim"))
        said = escape(f": {finding.what}{where}{todo}")
        print_line(console, escape(f"{finding.path}: "), severity, said)
    counts = Counter(finding.severity for finding in findings)
    found = [count(counts[each], each) for each in Severity if counts[each]]
    counted = ", ".join(found) or "nothing found"
    print_line(console, f"{count(file_count, 'file')} checked: {counted}")


def _plain(finding: Finding) -> dict[str, str]:
    return {**asdict(finding), "path": str(finding.path)}
