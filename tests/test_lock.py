"""
The lock files hold all that is needed, name no host, and fit what pyproject.toml says.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = sorted((ROOT / "requirements").glob("*.txt"))
NODE_LOCKS: Final = sorted(ROOT.glob("tests/*/*/package-lock.json"))


def pins(lock: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in lock.read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def promised(project: dict[str, Any], group: str) -> Iterator[Requirement]:
    """
    Yield what a group of pyproject.toml asks for, with the groups that it includes.
    """
    for each in project["dependency-groups"][group]:
        if isinstance(each, dict):
            yield from promised(project, each["include-group"])
        else:
            yield Requirement(each)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_line_of_a_lock_is_one_version_of_one_package(lock: Path) -> None:
    """No address is in it, so that any index may serve it."""
    assert len(pins(lock)) > 0
    for pin in pins(lock):
        (specifier,) = pin.specifier
        assert (specifier.operator, pin.url, pin.extras) == ("==", None, set())
        assert "*" not in specifier.version


def test_the_lock_fits_what_is_promised() -> None:
    """A dependency that is added without `make lock`, or raised above it, is told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [
        *map(Requirement, project["project"]["dependencies"]),
        *map(Requirement, project["project"]["optional-dependencies"]["anthropic"]),
        *promised(project, "dev"),
    ]
    locked = {canonicalize_name(pin.name): pin for pin in pins(LOCKS[0])}

    assert LOCKS[0].name == "dev.txt"
    for requirement in asked:
        (specifier,) = locked[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(specifier.version), requirement


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda lock: lock.parent.name)
def test_a_lock_of_npm_names_no_registry(lock: Path) -> None:
    """Each package is told by its digest, wherever it comes from."""
    packages = json.loads(lock.read_text())["packages"]
    installed = [package for name, package in packages.items() if name]

    assert len(installed) > 0
    assert all("integrity" in each and "resolved" not in each for each in installed)


def test_there_is_a_lock_of_npm() -> None:
    """The search above is not empty."""
    assert NODE_LOCKS
