"""
Where the cassettes of a test lie.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Final

_REPLACED: Final = re.compile(r"[\x00-\x1f\x7f/\\<>:\"|?*]|^[.~]|[. ]$")
"""What some file system refuses in a name, or a listing hides."""

_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
"""Names that mean devices on Windows, whatever stands behind a dot."""

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
    """
    Return a name that every file system takes as one folder, and as no other's.
    """
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
