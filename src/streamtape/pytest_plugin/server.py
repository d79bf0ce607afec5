"""The server of a process, and each test on it while that runs."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import pytest

from streamtape.core.modes import RecordMode
from streamtape.pytest_plugin.cassettes import TestCassettes
from streamtape.pytest_plugin.options import TestSettings, usage_errors
from streamtape.pytest_plugin.outcomes import TestOutcome
from streamtape.pytest_plugin.staging import Replacement, Staging
from streamtape.server.config import Config, adjust, make_policy
from streamtape.server.server import RunningServer
from streamtape.server.summary import saved_by
from streamtape.server.upstream.url import check_upstream, find_upstream
from streamtape.settings import Policy, Settings, resolve

_WRITING: Final = frozenset({RecordMode.ALL, RecordMode.NEW_EPISODES, RecordMode.ONCE})

_BROKEN: Final = {
    "error": "can't be answered, because of a damaged cassette or a slow rule",
    "refused": "can't be taken: too long, broken off, or not for an API",
    "lost": "can't be replayed, because the answer could not be written",
}
"""Outcomes of requests that are as bad as a miss."""


class ServedTest:
    """
    A test while it is served.

    Args:
        replacement: What it records; None where it can't record.
        is_own: Whether no other test uses its cassettes.
    """

    def __init__(
        self,
        cassettes: TestCassettes,
        replacement: Replacement | None,
        *,
        is_own: bool,
    ) -> None:
        self.cassettes = cassettes
        self._replacement = replacement
        self._is_own = is_own
        self.has_passed = False
        self.outcome: TestOutcome | None = None
        """What became of its requests, once it is over."""
        self.reported: Sequence[str] = ()
        """What its reports said of requests that were not answered."""
        self.late: list[str] = []
        """What was found against it after its reports."""

    def look(self) -> TestOutcome:
        """Return what became of its requests until now."""
        self.cassettes.settle()
        tally = self.cassettes.tally
        saved = saved_by([tally])
        return TestOutcome(
            counts=tally.counts,
            tokens=saved.input_tokens + saved.output_tokens,
            saved_s=saved.time_ns / 1e9,
            unused=tuple(self.cassettes.unused()) if self._is_own else (),
        )

    def findings(self) -> list[str]:
        """Say for what it has to fail, whatever it made of the answers."""
        tally = self.cassettes.tally
        found = [*map(str, self.cassettes.misses), *tally.failures]
        counts = tally.counts
        for outcome, why in _BROKEN.items():
            if count := counts.get(outcome):
                requests = "1 request" if count == 1 else f"{count} requests"
                found.append(f"{requests} {why}; the log says more")
        if self.has_passed and self._replacement is not None:
            self.cassettes.settle()
            found += self._replacement.findings()
        return found


class TestServer:
    """
    One server for all tests of a process: started by the first that needs it.

    Args:
        root: The project's folder, where its settings are looked for.
        temporary: Makes the folders that are no test's own.
    """

    def __init__(self, root: Path, temporary: pytest.TempPathFactory) -> None:
        self._root = root
        self._temporary = temporary
        self._settings = self._resolve()
        self._numbers = itertools.count(1)
        self._tests: dict[str, str] = {}
        self.notes: list[str] = []
        """What is to be said at the end of the run."""
        # Without cassettes, for requests that are none of a test's.
        empty = temporary.mktemp("streamtape-empty")
        self._server = RunningServer(Config(cassettes=empty))
        self._server.__enter__()

    @contextmanager
    def serve(
        self, test: str, settings: TestSettings, folder: Path
    ) -> Iterator[ServedTest]:
        """
        Serve one test, and put what it recorded into its folder if all is well.

        Args:
            test: The id of the test.
            folder: Of its cassettes.
        """
        with usage_errors():
            policy = self._policy(settings)
        is_shared = settings.cassettes is not None
        staging = _stage(folder, policy.mode, is_shared=is_shared)
        name = f"test-{next(self._numbers)}"
        self._tests[name] = test
        scopes = self._server.scopes
        scope = scopes.begin(name, staging.path if staging else folder, policy)
        scope.recorder = f"pytest --streamtape-mode new_episodes {shlex.quote(test)}"
        replacement = None
        if staging is not None:
            replacement = Replacement(scope, staging, is_shared=is_shared)
        cassettes = TestCassettes(self._server, scope, name, folder)
        served = ServedTest(cassettes, replacement, is_own=not is_shared)
        try:
            yield served
        finally:
            cassettes.settle()
            scopes.end(name, f"{test} has ended, and asks nothing any more")
            # What came in between is on its way to a cassette too.
            self._server.settle()
            found = served.findings()
            served.late = [each for each in found if each not in served.reported]
            if staging is not None and replacement is not None:
                is_good = served.has_passed and not served.late
                self._finish(test, staging, replacement, is_good=is_good)

    @property
    def late(self) -> list[str]:
        """The ids of tests that asked something after their end, each once."""
        late = dict.fromkeys(self._server.scopes.late)
        return [self._tests[name] for name in late]

    def stop(self) -> None:
        """Stop the server; may be called twice."""
        self._server.stop()

    def _policy(self, test: TestSettings) -> Policy:
        """
        Return how the requests of a test are answered.

        Raises:
            UsageError: Something can't be as it was said.
        """
        settings = self._settings
        given = dict(test.values)
        upstream = given.pop("upstream", None)
        policy = adjust(make_policy(settings), given)
        if policy.mode is RecordMode.NONE:
            return policy
        if upstream:
            url, source = check_upstream(str(upstream), port=0), test.upstream_source
        else:
            # Fixtures may set the variables that name it for some tests alone.
            url, source = find_upstream(self._resolve(), port=0)
        return replace(policy, upstream=url, upstream_source=source)

    def _resolve(self) -> Settings:
        environ = {
            name: value
            for name, value in os.environ.items()
            # Of these a test says itself what holds.
            if name not in ("STREAMTAPE_MODE", "STREAMTAPE_SPEED")
        }
        return resolve(environ=environ, folder=self._root)

    def _finish(
        self, test: str, staging: Staging, replacement: Replacement, *, is_good: bool
    ) -> None:
        failure = None
        if is_good:
            try:
                replacement.publish()
            except OSError as error:
                failure = error
        if staging.new and (failure or not is_good):
            target = self._temporary.mktemp("streamtape") / staging.folder.name
            staging.move(target)
            why = f"the test failed, so what it recorded was left in {target}"
            self.notes.append(f"{test}: {why}")
        staging.discard()
        if failure:
            _fail_to_write(staging.folder, failure)


def _stage(folder: Path, mode: RecordMode, *, is_shared: bool) -> Staging | None:
    """Make room for what a test records; None where it records nothing."""
    if mode not in _WRITING:
        return None
    if is_shared and "PYTEST_XDIST_WORKER" in os.environ:
        message = (
            f"streamtape: {folder.name} is shared, and workers of xdist would "
            "record there at once; record without -n"
        )
        pytest.fail(message, pytrace=False)
    try:
        return Staging(folder, keeps_old=mode is not RecordMode.ALL or is_shared)
    except OSError as error:
        _fail_to_write(folder, error)


def _fail_to_write(folder: Path, error: OSError) -> NoReturn:
    message = f"streamtape: {folder}: can't be written to: {error.strerror}"
    pytest.fail(message, pytrace=False)
