"""Where the cassettes of a test lie, and those whose tests are there no more."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_REPLACED: Final = re.compile(r"[\x00-\x1f\x7f/\\<>:\"|?*]|^[.~]|[. ]$")
"""What some file system refuses in a name, or a listing hides."""

_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
"""Names that mean devices on Windows, whatever follows a dot."""

_MOST_BYTES: Final = 150
"""Names of files in the folder come on top, and paths are bounded too."""


def folder_of(cassettes: Path, module: str, name: str) -> Path:
    """
    Return the folder of one test: ``cassettes/<module>/<Class.test[param]>``.

    No two tests share one, also where case doesn't count in names: where a character
    had to be replaced, the name had to be cut, or it has upper case, a hash of the
    whole name is added. Names of classes have theirs without: two that differ in case
    alone are nobody's.

    Args:
        cassettes: The folder beside the test.
        module: The test module's file name, without its ending.
        name: The test's name within the module, parameters included.
    """
    return cassettes / safe_name(module) / safe_name(name)


def name_in_module(nodeid: str) -> str:
    """
    Return a test's name within its module: ``Class.test[param]``.

    Args:
        nodeid: As pytest has it.
    """
    name, bracket, parameters = nodeid.partition("::")[2].partition("[")
    return name.replace("::", ".") + bracket + parameters


def safe_name(name: str) -> str:
    """Return a name that every file system takes as one folder, and as no other's."""
    plain = _REPLACED.sub("-", name)
    if _DEVICE.match(plain):
        plain = f"-{plain}"
    cut = (
        plain.encode(errors="ignore")[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")
    )
    if name and cut == name and not _may_have_twin(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{cut}-{digest[:8]}"


def _may_have_twin(name: str) -> bool:
    """
    Whether another name may be this one where case, or how accents are spelled,
    doesn't count.
    """
    function, bracket, parameters = name.partition("[")
    own = function.rpartition(".")[2] + bracket + parameters
    is_plain = unicodedata.is_normalized("NFKC", name)
    return own.casefold() != own or not is_plain


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
