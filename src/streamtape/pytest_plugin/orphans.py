"""
Folders of cassettes whose tests are there no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from streamtape.pytest_plugin.naming import safe_name


def find_orphans(
    tests: Mapping[Path, Iterable[str]], folder_name: str, patterns: Sequence[str]
) -> Iterator[Path]:
    """
    Yield folders that no test would be given.

    Args:
        tests: The names of all tests by the file that they are in; files of which
            only some tests are known must be left out.
        folder_name: Of the folder of cassettes beside a test.
        patterns: Of the names of files with tests.
    """
    for parent in sorted({path.parent for path in tests}):
        modules = {safe_name(path.stem) for path in parent.glob("*.py")}
        for folder in _folders_in(parent / folder_name):
            is_of_module = any(fnmatch(f"{folder.name}.py", each) for each in patterns)
            if is_of_module and folder.name not in modules:
                yield folder
    for path, names in sorted(tests.items()):
        expected = {safe_name(name) for name in names}
        for folder in _folders_in(path.parent / folder_name / safe_name(path.stem)):
            if folder.name not in expected:
                yield folder


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        inner
        for inner in folder.iterdir()
        if inner.is_dir() and not inner.name.startswith(".")
    )
