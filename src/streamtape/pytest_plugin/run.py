"""One run of pytest in one process: its server, its tests and what to tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from streamtape.pytest_plugin.cassettes import Tape
from streamtape.pytest_plugin.folders import find_orphans, folder_of, name_in_module
from streamtape.pytest_plugin.options import Asked, Unused, find_unused, usage_errors
from streamtape.pytest_plugin.outcomes import Verdict, summary_lines
from streamtape.pytest_plugin.server import Served, Worker

_BROKEN: Final = {
    "error": "can't be answered, because of a damaged cassette or a slow rule",
    "refused": "can't be taken: too long, broken off, or not for an API",
    "lost": "can't be replayed, because the answer could not be written",
}
"""Fates that are as bad as a miss."""


@dataclass(slots=True, kw_only=True)
class _Test:
    """A test that has the fixture, while it runs."""

    served: Served
    has_passed: bool = False
    verdict: Verdict | None = None
    told: Sequence[str] = ()
    """What its reports said of requests that were not answered."""


_TEST = pytest.StashKey[_Test]()


class Run:
    """What a process knows of its run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker: Worker | None = None
        self._notes: list[str] = []
        self.orphans: set[str] = set()
        """Folders, from the project's folder on."""
        self.late: list[str] = []
        """Ids of tests that asked something after their end."""

    @contextmanager
    def tape(
        self,
        item: pytest.Item,
        asked: Asked,
        cassettes: Path,
        temporary: pytest.TempPathFactory,
    ) -> Iterator[Tape]:
        """Serve one test."""
        if asked.cassettes is None:
            folder = folder_of(cassettes, item.path.stem, name_in_module(item.nodeid))
        else:
            folder = cassettes / asked.cassettes
        # Those of an earlier try, if this is another.
        item.user_properties[:] = _without_ours(item.user_properties)
        with usage_errors():
            worker = self._start(temporary)
        test: _Test

        def keep() -> Path:
            return temporary.mktemp("streamtape") / folder.name

        late: list[str] = []

        def is_good() -> bool:
            # Something may have been asked since the report; nothing is replaced yet.
            late.extend(each for each in _findings(test) if each not in test.told)
            return test.has_passed and not late

        with worker.tape(
            item.nodeid,
            asked,
            folder,
            is_good=is_good,
            keep=keep,
            tell=lambda note: self._notes.append(f"{item.nodeid}: {note}"),
        ) as served:
            test = item.stash[_TEST] = _Test(served=served)
            yield served.tape
            test.verdict = served.look()
        item.user_properties.extend(test.verdict.properties())
        if late:
            pytest.fail("\n\n".join(late), pytrace=False)

    def judge(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Let a report say what became of the test's requests, and fail for misses."""
        test = item.stash.get(_TEST, None)
        if test is None:
            return
        if report.when == "call":
            self._judge_call(test, report)
        elif report.when == "teardown":
            if test.verdict is not None:
                # Reports take what they are given, and xdist sends all of it.
                report.__dict__["streamtape"] = test.verdict.as_json()
            del item.stash[_TEST]

    def _judge_call(self, test: _Test, report: pytest.TestReport) -> None:
        test.has_passed = report.passed
        test.told = found = _findings(test)
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

    def _unused(self, test: _Test) -> list[str]:
        if find_unused(self._config) is not Unused.FAIL:
            return []
        unused = test.served.look().unused
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
        if self._worker is not None:
            self._worker.stop()
            self.late += self._worker.late
            self._worker = None

    def told(self) -> dict[str, Any]:
        """Return what a worker sends to the process that tells of the run."""
        return {
            "notes": self._notes,
            "orphans": sorted(self.orphans),
            "late": self.late,
        }

    def merge(self, told: Mapping[str, Any]) -> None:
        """Take what a worker sent."""
        self._notes += told["notes"]
        self.orphans |= set(told["orphans"])
        self.late += told["late"]

    def summary(
        self, sent: Mapping[str, Mapping[str, Any]], *, is_long: bool
    ) -> Iterator[str]:
        """
        Yield the lines for the end of the run.

        Args:
            sent: What became of each test, by its id.
        """
        verdicts = {name: Verdict.from_json(each) for name, each in sent.items()}
        if find_unused(self._config) is Unused.IGNORE:
            verdicts = {name: each.needed() for name, each in verdicts.items()}
        yield from summary_lines(verdicts, self.orphans, is_long=is_long)
        yield from self._notes
        for test in self.late:
            yield f"{test}: asked something after it had ended; that failed"

    def _start(self, temporary: pytest.TempPathFactory) -> Worker:
        if self._worker is None:
            empty = temporary.mktemp("streamtape-empty")
            self._worker = Worker(self._config.rootpath, empty)
        return self._worker


def _without_ours(
    properties: Iterable[tuple[str, object]],
) -> list[tuple[str, object]]:
    return [each for each in properties if not each[0].startswith("streamtape")]


def _findings(test: _Test) -> list[str]:
    """Say for what a test has to fail, whatever it made of the answers."""
    tape = test.served.tape
    found = [*map(str, tape.misses), *tape.tally.failures]
    counts = tape.tally.counts
    for told, why in _BROKEN.items():
        if count := counts.get(told):
            requests = "1 request" if count == 1 else f"{count} requests"
            found.append(f"{requests} {why}; the log says more")
    if test.has_passed:
        found += test.served.find()
    return found
