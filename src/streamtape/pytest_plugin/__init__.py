"""
The pytest plugin: marker, fixtures and what a run says at its end.

Nothing heavy is imported before a test asks for it: pytest loads this in every run of
every project that has streamtape installed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamtape.pytest_plugin.options import (
    MARKER,
    Unused,
    add_options,
    find_unused,
    read_test_settings,
    usage_errors,
    wants_report,
)

if TYPE_CHECKING:
    from streamtape.pytest_plugin.cassettes import TestCassettes
    from streamtape.pytest_plugin.run import Run

_GOOD = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
_RUN = pytest.StashKey["Run"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options and ini values."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker, and refuse options that make no sense."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(cassettes=None, mode=None, speed=None, upstream=None, ignore=None, "
        "...): answer the test's requests from cassettes; see docs/pytest.md",
    )
    find_unused(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give marked tests the fixture, before any other that may make a client."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is not None and item.get_closest_marker(MARKER) is not None:
        # A list of its own: other parameters of the function share the old one.
        others = [name for name in names if name != MARKER]
        item.__dict__["fixturenames"] = [MARKER, *others]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Look for folders of tests that are there no more, while all tests are known."""
    if find_unused(config) is not Unused.IGNORE:
        _run(config).find_orphans(items)


@pytest.fixture
def streamtape_config() -> dict[str, object]:
    """
    Settings for the tests that see this fixture, as the marker takes them. Override it.
    """
    return {}


@pytest.fixture
def streamtape_cassette_dir(request: pytest.FixtureRequest) -> Path:
    """
    The folder in which each test has a folder of its own. Override it.
    """
    path: Path = request.node.path
    folder: str = request.config.getini("streamtape_dir")
    return path.parent / folder


@pytest.fixture
def streamtape(
    request: pytest.FixtureRequest,
    streamtape_config: dict[str, object],
    streamtape_cassette_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TestCassettes]:
    """The server that answers this test's requests, and what became of them."""
    item: pytest.Item = request.node
    _refuse_other_recorders(item)
    with usage_errors():
        settings = read_test_settings(item, streamtape_config)
    run = _run(request.config)
    folder = Path(streamtape_cassette_dir)
    with (
        run.serve(item, settings, folder, tmp_path_factory) as cassettes,
        pytest.MonkeyPatch.context() as patch,
    ):
        if request.config.getini("streamtape_env"):
            for name, value in cassettes.env.items():
                patch.setenv(name, value)
        yield cassettes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a miss fail its test, even if the code under test swallowed the error."""
    report = yield
    run = item.config.stash.get(_RUN, None)
    if run is not None:
        run.complete_report(item, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of xdist has sent."""
    sent = getattr(node, "workeroutput", {}).get("streamtape")
    if sent is not None:
        _run(node.config).merge(sent)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the server, and fail the run for what no test can fail for any more."""
    run = session.config.stash.get(_RUN, None)
    if run is None:
        return
    run.stop()
    worker_output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output["streamtape"] = run.as_json()
    fails = find_unused(session.config) is Unused.FAIL and bool(run.orphans)
    if session.exitstatus in _GOOD and (run.late or fails):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was replayed, recorded, missed and not needed."""
    outcomes = {
        report.nodeid: report.streamtape
        for reports in terminalreporter.stats.values()
        for report in reports
        if hasattr(report, "streamtape")
    }
    if _RUN not in config.stash and not outcomes:
        return
    lines = list(_run(config).summary(outcomes, is_long=wants_report(config)))
    if lines:
        terminalreporter.section("streamtape")
        for line in lines:
            terminalreporter.write_line(line)


def _run(config: pytest.Config) -> Run:
    from streamtape.pytest_plugin.run import Run

    if _RUN not in config.stash:
        config.stash[_RUN] = Run(config)
    return config.stash[_RUN]


def _refuse_other_recorders(item: pytest.Item) -> None:
    if item.get_closest_marker("vcr") is not None:
        pytest.fail(
            "streamtape: this test is marked vcr too; two recorders would each see "
            "half of its requests, so take one of the markers off",
            pytrace=False,
        )
