"""Rules of the house that no linter knows."""

from __future__ import annotations

from pathlib import Path

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src" / "streamtape"
_TESTS = _ROOT / "tests"
_CORE = _PACKAGE / "core"


def _modules(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if path.stem != "__init__"]


def _folders(folder: Path) -> list[Path]:
    return [folder, *sorted({path.parent for path in folder.rglob("*.py")} - {folder})]


def test_tests_lie_in_folders_of_the_package() -> None:
    """
    What tests ``core/format`` is found in ``tests/core/format``, and nothing else is.
    """
    mirrored = [path for path in _folders(_PACKAGE) if (_TESTS / path.name).is_dir()]
    tested = [folder for top in mirrored for folder in _folders(_TESTS / top.name)]

    assert _TESTS / "core" / "format" in tested
    for folder in tested:
        assert (_PACKAGE / folder.relative_to(_TESTS)).is_dir(), folder


def test_each_core_module_has_tests_that_bear_its_name() -> None:
    """What tests ``core/pacing.py`` begins with ``tests/core/test_pacing``."""
    modules = _modules(_CORE)

    assert _CORE / "sse.py" in modules
    for module in modules:
        folder = _TESTS / module.parent.relative_to(_PACKAGE)
        assert list(folder.glob(f"test_{module.stem}*.py")), module


def test_the_map_shows_every_folder() -> None:
    """Whoever looks for one finds it in ``docs/architecture.md``."""
    shown = (_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path for path in _folders(_PACKAGE) if path != _PACKAGE]

    assert _CORE / "format" in folders
    for folder in folders:
        assert f"`{folder.relative_to(_PACKAGE).as_posix()}/`" in shown, folder
