"""
Where the cassettes of a test lie.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

_REPLACED: Final = re.compile(r"[\x00-\x1f\x7f/\\<>:\"|?*]|^[.~]|[. ]$")
"""What some file system refuses in a name, or a listing hides."""

_MOST_BYTES: Final = 150
"""Names of files in the folder come on top, and paths are bounded too."""


def folder_of(cassettes: Path, module: str, name: str) -> Path:
    """
    Return the folder of one test: ``cassettes/<module>/<Class.test[param]>``.

    No two tests share one: where a character had to be replaced, or the name had to
    be cut, a hash of the whole name is added.

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
    """
    Return a name that every file system takes as one folder.
    """
    plain = _REPLACED.sub("-", name)
    cut = plain.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")
    # Where case doesn't count in names, [A] and [a] would share one.
    has_case = any(char.isupper() for char in name.partition("[")[2])
    if cut == name and not has_case:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    return f"{cut}-{digest[:8]}"
