"""The server of a worker process, and the tape of a test on it."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from streamtape.core.modes import RecordMode
from streamtape.pytest_plugin.cassettes import Tape
from streamtape.pytest_plugin.keeping import Keeping
from streamtape.pytest_plugin.options import Asked, usage_errors
from streamtape.pytest_plugin.outcomes import Verdict
from streamtape.pytest_plugin.staging import Staging, begin_staging
from streamtape.server.config import Config, adjust, make_policy
from streamtape.server.server import RunningServer
from streamtape.server.summary import saved_by
from streamtape.server.upstream.url import check_upstream, find_upstream
from streamtape.settings import Policy, Settings, resolve

_WRITING = frozenset({RecordMode.ALL, RecordMode.NEW_EPISODES, RecordMode.ONCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A test that is served, while it runs."""

    tape: Tape
    look: Callable[[], Verdict]
    """Says what became of its requests until now."""
    find: Callable[[], list[str]]
    """Says what was not recorded as it should be, which fails the test."""


class Worker:
    """
    One server for all tests of a process: started by the first that asks for it.

    Args:
        root: The project's folder, where its settings are looked for.
        empty: A folder without cassettes, for requests that are none of a test's.
    """

    def __init__(self, root: Path, empty: Path) -> None:
        self._root = root
        self._settings = self._resolve()
        self._numbers = itertools.count(1)
        self._names: dict[str, str] = {}
        self._server = RunningServer(Config(cassettes=empty))
        self._server.__enter__()

    def policy(self, asked: Asked) -> Policy:
        """
        Return how the requests of a test are answered.

        Raises:
            UsageError: Something can't be as it was asked for.
        """
        settings = self._settings
        given = dict(asked.settings)
        upstream = given.pop("upstream", None)
        policy = adjust(make_policy(settings), given)
        if policy.mode is RecordMode.NONE:
            return policy
        if upstream:
            url, source = check_upstream(str(upstream), port=0), asked.upstream_source
        else:
            # Fixtures may set the variables that name it for some tests alone.
            url, source = find_upstream(self._resolve(), port=0)
        return replace(policy, upstream=url, upstream_source=source)

    @contextmanager
    def tape(
        self,
        test: str,
        asked: Asked,
        folder: Path,
        *,
        is_good: Callable[[], bool],
        keep: Callable[[], Path],
        tell: Callable[[str], None],
    ) -> Iterator[Served]:
        """
        Serve one test, and put what it recorded into its folder if all is well.

        Args:
            test: The id of the test.
            folder: Of its cassettes.
            is_good: Whether the test has passed and nothing was found against it;
                asked at the end, when nothing can be asked any more.
            keep: Makes a place for what a test recorded that has failed.
            tell: Says something at the end of the run.
        """
        with usage_errors():
            policy = self.policy(asked)
        staging = None
        is_shared = asked.cassettes is not None
        if policy.mode in _WRITING:
            if is_shared:
                _refuse_to_share(folder)
            keeps_old = policy.mode is not RecordMode.ALL or is_shared
            with usage_errors():
                staging = begin_staging(folder, keeps_old=keeps_old)
        name = f"test-{next(self._numbers)}"
        self._names[name] = test
        scopes = self._server.scopes
        scope = scopes.begin(name, staging.path if staging else folder, policy)
        scope.recorder = f"pytest --streamtape-mode new_episodes {shlex.quote(test)}"
        tape = Tape(self._server, scope, name, folder)
        keeping = None
        if staging is not None:
            keeping = Keeping(scope, staging, is_shared=is_shared)

        def find() -> list[str]:
            if keeping is None:
                return []
            tape.settle()
            return keeping.findings()

        try:
            yield Served(
                tape=tape,
                look=lambda: self._verdict(tape, is_own=not is_shared),
                find=find,
            )
        finally:
            tape.settle()
            scopes.end(name, f"{test} has ended, and asks nothing any more")
            # What came in between is on its way to a cassette too.
            self._server.settle()
            is_whole = is_good()
            if staging is not None and keeping is not None:
                _finish(keeping, staging, is_good=is_whole, keep=keep, tell=tell)

    def _resolve(self) -> Settings:
        environ = {
            name: value
            for name, value in os.environ.items()
            # Of these a test says itself what holds.
            if name not in ("STREAMTAPE_MODE", "STREAMTAPE_SPEED")
        }
        return resolve(environ=environ, folder=self._root)

    def _verdict(self, tape: Tape, *, is_own: bool) -> Verdict:
        tape.settle()
        tally = tape.tally
        saved = saved_by([tally])
        return Verdict(
            counts=tally.counts,
            tokens=saved.input_tokens + saved.output_tokens,
            saved_s=saved.time_ns / 1e9,
            unused=tuple(tape.unused()) if is_own else (),
        )

    @property
    def late(self) -> list[str]:
        """The ids of tests that asked something after their end, each once."""
        late = dict.fromkeys(self._server.scopes.late)
        return [self._names[name] for name in late]

    def stop(self) -> None:
        """Stop the server; may be called twice."""
        self._server.stop()


def _refuse_to_share(folder: Path) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        message = (
            f"streamtape: {folder.name} is shared, and workers of xdist would "
            "record there at once; record without -n"
        )
        pytest.fail(message, pytrace=False)


def _finish(
    keeping: Keeping,
    staging: Staging,
    *,
    is_good: bool,
    keep: Callable[[], Path],
    tell: Callable[[str], None],
) -> None:
    failure = ""
    if is_good:
        try:
            keeping.publish()
        except OSError as error:
            failure = f"{staging.folder}: can't be written to: {error.strerror}"
    if staging.new and (failure or not is_good):
        target = keep()
        staging.move(target)
        tell(f"the test failed, so what it recorded was left in {target}")
    staging.discard()
    if failure:
        pytest.fail(f"streamtape: {failure}", pytrace=False)
