"""
What a test of a case of docs/reliability.md counts.

Such a test has ``@pytest.mark.case(N)``, with one number or more. One that makes
more than one trial takes the fixture ``trials`` and counts in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

PROPERTY: Final = "streamtape-trials"
"""Under which user property of a test its counts travel."""


@dataclass(slots=True)
class Trials:
    """
    Counts of one test. The test itself asserts what it promises; this is for the table.
    """

    is_long: bool
    """Whether the test runs under ``--long``."""
    ran: int = 0
    """How often the case was tried; 0 stands for once."""
    lost: int = 0
    """Events, or whatever the case counts, that should be there and were not."""
    wrong: int = 0
    """Events or answers that were given and are not what was recorded."""
    leaked: int = 0
    """Secrets that were found where none may be."""

    def many(self, *, quick: int, long: int) -> int:
        """Return how many trials to make."""
        return long if self.is_long else quick

    def told(self, cases: list[int]) -> dict[str, Any]:
        """Return the counts as JSON has them."""
        return {
            "cases": cases,
            "trials": self.ran or 1,
            "lost": self.lost,
            "wrong": self.wrong,
            "leaked": self.leaked,
        }


def case_numbers(item: pytest.Item) -> list[int]:
    """Return the numbers of the cases that a test proves."""
    marks = item.iter_markers("case")
    return sorted({number for mark in marks for number in mark.args})


class Outcomes:
    """
    A plugin that writes what the tests of all cases came to.

    The file is a JSON object of test ids. Each has an ``outcome``, passed, skipped or
    failed, and what :meth:`Trials.told` gave.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a test's setup, call or teardown; the worst one counts."""
        test = self._tests.setdefault(report.nodeid, {"outcome": "passed"})
        if report.failed or (report.skipped and test["outcome"] == "passed"):
            test["outcome"] = report.outcome
        for name, told in report.user_properties:
            if name == PROPERTY and isinstance(told, dict):
                test |= told

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        told = {name: test for name, test in self._tests.items() if "cases" in test}
        self._path.write_text(json.dumps(told), encoding="utf-8")
