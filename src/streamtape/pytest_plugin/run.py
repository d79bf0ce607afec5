"""One run of pytest in one process: its server, its tests and its report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamtape.pytest_plugin.cassettes import TestCassettes
from streamtape.pytest_plugin.folders import find_orphans, folder_of, name_in_module
from streamtape.pytest_plugin.options import (
    TestSettings,
    Unused,
    find_unused,
    usage_errors,
)
from streamtape.pytest_plugin.outcomes import TestOutcome, summary_lines
from streamtape.pytest_plugin.server import ServedTest, TestServer

_TEST = pytest.StashKey[ServedTest]()


class Run:
    """What a process knows of its run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._server: TestServer | None = None
        self._notes: list[str] = []
        self.orphans: set[str] = set()
        """Folders, from the project's folder on."""
        self.late: list[str] = []
        """Ids of tests that asked something after their end."""

    @contextmanager
    def serve(
        self,
        item: pytest.Item,
        settings: TestSettings,
        cassettes: Path,
        temporary: pytest.TempPathFactory,
    ) -> Iterator[TestCassettes]:
        """
        Serve one test.

        Args:
            cassettes: The folder that holds the modules' folders.
        """
        if settings.cassettes is None:
            folder = folder_of(cassettes, item.path.stem, name_in_module(item.nodeid))
        else:
            folder = cassettes / settings.cassettes
        # Those of an earlier try, if this is another.
        item.user_properties[:] = _without_ours(item.user_properties)
        if self._server is None:
            with usage_errors():
                self._server = TestServer(self._config.rootpath, temporary)
        with self._server.serve(item.nodeid, settings, folder) as test:
            item.stash[_TEST] = test
            yield test.cassettes
            test.outcome = test.look()
        item.user_properties.extend(test.outcome.properties())
        if test.late:
            pytest.fail("\n\n".join(test.late), pytrace=False)

    def complete_report(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Let a report say what became of the test's requests, and fail for misses."""
        test = item.stash.get(_TEST, None)
        if test is None:
            return
        if report.when == "call":
            self._complete_call(test, report)
        elif report.when == "teardown":
            if test.outcome is not None:
                # Reports take what they are given, and xdist sends all of it.
                report.__dict__["streamtape"] = test.outcome.as_json()
            del item.stash[_TEST]

    def _complete_call(self, test: ServedTest, report: pytest.TestReport) -> None:
        test.has_passed = report.passed
        test.reported = found = test.findings()
        if report.passed and not found:
            found = self._unused(test)
        # An expected failure may be just this; a skip because of it hides it.
        hides = report.passed or (report.skipped and not hasattr(report, "wasxfail"))
        if found and hides:
            report.outcome = "failed"
            report.longrepr = "\n\n".join(found)
        elif found:
            report.sections.append(("streamtape", "\n\n".join(found)))
        test.has_passed = report.passed

    def _unused(self, test: ServedTest) -> list[str]:
        if find_unused(self._config) is not Unused.FAIL:
            return []
        unused = test.look().unused
        return [f"nobody asked for {', '.join(unused)}"] if unused else []

    def find_orphans(self, items: list[pytest.Item]) -> None:
        """Find folders whose tests are there no more, of files that were read whole."""
        config = self._config
        if any("::" in argument for argument in config.args):
            return
        if config.getoption("lf", default=False):
            # Only what failed last time is read of each file.
            return
        tests: dict[Path, list[str]] = {}
        for item in items:
            tests.setdefault(item.path, []).append(name_in_module(item.nodeid))
        folder = config.getini("streamtape_dir")
        root = config.rootpath
        for orphan in find_orphans(tests, folder, config.getini("python_files")):
            self.orphans.add(
                str(orphan.relative_to(root) if orphan.is_relative_to(root) else orphan)
            )

    def stop(self) -> None:
        """Stop the server, if there is one."""
        if self._server is not None:
            self._server.stop()
            self._notes += self._server.notes
            self.late += self._server.late
            self._server = None

    def as_json(self) -> dict[str, Any]:
        """Return what a worker sends to the process that reports the run."""
        return {
            "notes": self._notes,
            "orphans": sorted(self.orphans),
            "late": self.late,
        }

    def merge(self, sent: Mapping[str, Any]) -> None:
        """Take what a worker sent."""
        self._notes += sent["notes"]
        self.orphans |= set(sent["orphans"])
        self.late += sent["late"]

    def summary(
        self, sent: Mapping[str, Mapping[str, Any]], *, is_long: bool
    ) -> Iterator[str]:
        """
        Yield the lines for the end of the run.

        Args:
            sent: What became of each test, by its id.
        """
        outcomes = {name: TestOutcome.from_json(each) for name, each in sent.items()}
        if find_unused(self._config) is Unused.IGNORE:
            outcomes = {name: each.without_unused() for name, each in outcomes.items()}
        yield from summary_lines(outcomes, self.orphans, is_long=is_long)
        yield from self._notes
        for test in self.late:
            yield f"{test}: asked something after it had ended; that failed"


def _without_ours(
    properties: Iterable[tuple[str, object]],
) -> list[tuple[str, object]]:
    return [each for each in properties if not each[0].startswith("streamtape")]
