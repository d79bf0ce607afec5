"""Settings for every test, and the proofs of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from proofs import PROPERTY, Outcomes, Trials, case_numbers

# Same examples in every run, and no limit in wall-clock time: a gate that fails
# by chance, or on a busy machine, says nothing about the change.
settings.register_profile("long", settings.get_profile("ci"))
settings.register_profile("quick", settings.get_profile("ci"), max_examples=50)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the cases of docs/reliability.md run in their long form."""
    parser.addoption(
        "--long",
        action="store_true",
        help="run the cases of docs/reliability.md with as many trials as it says",
    )
    parser.addoption(
        "--outcomes",
        type=Path,
        metavar="FILE",
        help="write what the tests of the reliability cases counted, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Gather the outcomes where the reports of all workers arrive."""
    settings.load_profile("long" if config.getoption("--long") else "quick")
    path: Path | None = config.getoption("--outcomes")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(path))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Count a test of a case that counts no trials of its own as one."""
    cases = case_numbers(item)
    if cases and "trials" not in getattr(item, "fixturenames", ()):
        told = Trials(is_long=item.config.getoption("--long")).told(cases)
        item.user_properties.append((PROPERTY, told))


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Iterator[Trials]:
    """What a test counts for the table of docs/reliability.md."""
    trials = Trials(is_long=request.config.getoption("--long"))
    yield trials
    told = (PROPERTY, trials.told(case_numbers(request.node)))
    request.node.user_properties.append(told)
