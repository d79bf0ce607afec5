"""A project with tests, and an API to record from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_plugin.projects import Project, answer
from streamtape.testing import FakeUpstream


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """An API that answers ``Re: PROMPT`` at once."""
    with FakeUpstream(answer) as api:
        yield api


@pytest.fixture
def project(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    upstream: FakeUpstream,
) -> Project:
    """An empty project."""
    return Project(pytester, monkeypatch, upstream)
