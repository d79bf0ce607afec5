"""
Rules of the house that no linter knows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src" / "streamtape"
_MODULES = sorted(_PACKAGE.rglob("*.py"))
_CORE = _PACKAGE / "core"
_CORE_MODULES = [
    path for path in sorted(_CORE.rglob("*.py")) if path.name != "__init__.py"
]

MOST_LINES = 400


@pytest.mark.parametrize(
    "module", _MODULES, ids=lambda path: str(path.relative_to(_PACKAGE))
)
def test_a_module_holds_one_idea(module: Path) -> None:
    """
    No module is longer than 400 lines.
    """
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize(
    "module", _CORE_MODULES, ids=lambda path: str(path.relative_to(_CORE))
)
def test_a_core_module_has_a_test_file_of_its_own(module: Path) -> None:
    """
    What tests ``core/pacing.py`` is found in ``tests/core/test_pacing.py``.
    """
    folder = _ROOT / "tests" / "core" / module.parent.relative_to(_CORE)
    assert (folder / f"test_{module.stem}.py").is_file()


@pytest.mark.parametrize("folder", ["core", "library", "server", "pytest_plugin"])
def test_the_map_shows_every_module(folder: str) -> None:
    """
    Whoever looks for one finds it in ``docs/architecture.md``.
    """
    shown = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    missing = [
        path.relative_to(_PACKAGE).as_posix()
        for path in _MODULES
        if path.is_relative_to(_PACKAGE / folder)
        and path.name != "__init__.py"
        and f"`{path.stem}`" not in shown
    ]

    assert missing == []


def test_the_modules_were_found() -> None:
    """
    The rules above are not kept for want of files.
    """
    assert _CORE / "streams" / "sse.py" in _CORE_MODULES
    assert set(_CORE_MODULES) < set(_MODULES)
