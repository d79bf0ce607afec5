"""
Run the long form of every reliability case, the fuzzer and the soak: one table.

The table has a row for each case; the exit status is 1 if anything failed. If all
passed, docs/reliability.json is written, which docs/reliability.md shows.

    python scripts/run_reliability.py              as `make reliability`
    python scripts/run_reliability.py -- -k kill   these tests alone; nothing is written
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from cases import NUMBERS, UNTESTED
from long_run import Counts, LongRun
from streamtape import __version__
from streamtape.server.clock import wall_ns, wall_time

ROOT: Final = Path(__file__).parents[1]
TESTS: Final = "case and not node and not clients"
OTHER_TESTS: Final = "other tests"
"""The row of tests whose mark names no number: what they prove is no numbered case."""

OTHERS: Final = ("fuzz", "soak")
"""Targets of the Makefile that are no numbered case; their last line has the counts."""

_TRIALS: Final = re.compile(r"([\d,]+) (?:answers|inputs)\b")
_LOST: Final = re.compile(r"([\d,]+) lost\b")
_WRONG: Final = re.compile(r"([\d,]+) (?:failures|wrong)\b")


@dataclass(slots=True, kw_only=True)
class Row:
    """What one case, or one of the others, came to."""

    counts: Counts = field(default_factory=Counts)
    failed: list[str] = field(default_factory=list)
    """Names of tests, or how the program ended."""
    skipped: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether it was tried and nothing failed."""
        return self.counts.trials > 0 and self.counts.is_clean and not self.failed

    @property
    def outcome(self) -> str:
        """A word for the table."""
        if self.is_good:
            return "passed"
        return "FAILED" if self.failed or self.counts.trials else "not run"


def run_tests(arguments: Sequence[str]) -> dict[str, Row]:
    """
    Run the tests of the cases in their long form, on all cores.

    Args:
        arguments: Further ones for pytest.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outcomes.json")
        flags = ("-q", "--long", "-m", TESTS, "--outcomes", str(path))
        # What a file makes once is large, so its tests stay together.
        spread = ("-n", "auto", "--dist", "loadfile")
        command = [sys.executable, "-m", "pytest", *flags, *spread, *arguments]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        outcomes = json.loads(path.read_text()) if path.exists() else {}
    rows = gather(outcomes)
    if status != 0 and not any(row.failed for row in rows.values()):
        rows[OTHER_TESTS].failed.append(f"pytest ended with {status}")
    return rows


def gather(outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Row]:
    """
    Add up what the tests told, by cases; every case has a row.

    Args:
        outcomes: As ``pytest --outcomes`` writes them.
    """
    names = [*map(str, sorted(NUMBERS - UNTESTED.keys())), OTHER_TESTS]
    rows = {name: Row() for name in names}
    for test, told in outcomes.items():
        for name in map(str, told["cases"] or [OTHER_TESTS]):
            row = rows.setdefault(name, Row())
            match told["outcome"]:
                case "skipped":
                    row.skipped.append(test)
                    continue
                case "failed":
                    row.failed.append(test)
            row.counts += Counts.of(told)
    return rows


def run_other(target: str) -> Row:
    """Make a target and take its counts from the last line that it prints."""
    ran = subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", target],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    last = (ran.stdout.splitlines() or [""])[-1]
    counts = Counts(
        trials=_count(_TRIALS, last),
        lost=_count(_LOST, last),
        wrong=_count(_WRONG, last),
    )
    failed = [f"make {target} ended with {ran.returncode}"] if ran.returncode else []
    return Row(counts=counts, failed=failed)


def _count(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.search(line)
    return int(found[1].replace(",", "")) if found else 0


def show(rows: Mapping[str, Row], minutes: int) -> None:
    """Print the table, and below it what failed and what was skipped."""
    console = Console(width=100, highlight=False)
    table = Table(title=f"Reliability, {minutes} minutes", box=box.SIMPLE)
    for heading in ("case", "trials", "lost", "wrong", "leaked"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for name, row in rows.items():
        counts = row.counts
        figures = (f"{counts.trials:,}", counts.lost, counts.wrong, counts.leaked)
        table.add_row(name, *map(str, figures), row.outcome)
    console.print(table)
    for name, row in rows.items():
        for test in row.failed:
            console.print(f"FAILED: {name}: {test}", markup=False)
        for test in row.skipped:
            console.print(f"skipped: {name}: {test}", markup=False)


def main(arguments: Sequence[str]) -> int:
    """Run all of it, or the tests that pytest's arguments choose."""
    start_ns = wall_ns()
    rows = run_tests(arguments)
    if arguments:
        rows = {name: row for name, row in rows.items() if row.outcome != "not run"}
    else:
        rows |= {target: run_other(target) for target in OTHERS}
    minutes = round((wall_ns() - start_ns) / 60e9)
    show(rows, minutes)
    is_good = bool(rows) and all(row.is_good for row in rows.values())
    if is_good and not arguments:
        run = LongRun(
            date=wall_time()[:10],
            version=__version__,
            python=".".join(platform.python_version_tuple()[:2]),
            cores=os.cpu_count() or 1,
            minutes=minutes,
            cases={int(n): row.counts for n, row in rows.items() if n.isdecimal()},
            others={n: row.counts for n, row in rows.items() if not n.isdecimal()},
        )
        print(f"wrote {run.save(ROOT).relative_to(ROOT)}; `make docs` shows it")
    return int(not is_good)


if __name__ == "__main__":
    sys.exit(main([argument for argument in sys.argv[1:] if argument != "--"]))
