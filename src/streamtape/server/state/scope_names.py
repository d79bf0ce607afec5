"""
The names of scopes: which are safe as folders, and where one stands in a request.

A base URL that ends in ``/~NAME`` leads to the scope of that name.
"""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import unquote

from streamtape.errors import RefusedRequestError

_MARK: Final = re.compile("/(?:~|%7E)", re.IGNORECASE)

_MOST_PARTS: Final = 16
_MOST_BYTES: Final = 200

_PART: Final = re.compile(
    r"(?![.~]|(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))"
    r"[^\x00-\x1f\x7f-\x9f/\\<>:\"|?*]+(?<![. ])",
    re.IGNORECASE,
)
"""A name that every file system takes as one folder, and no listing hides."""


def split_scope(target: str) -> tuple[str, str, str]:
    """
    Return the prefix of a scope as it is in a request's target, its name, and the
    rest; prefix and name are empty where there is none.

    Raises:
        RefusedRequestError: The name can't be that of a folder.
    """
    mark = _MARK.match(target)
    if mark is None:
        return "", "", target
    prefix = re.split("[/?]", target[1:], maxsplit=1)[0]
    prefix = f"/{prefix}"
    name = unquote(prefix[mark.end() :], errors="replace")
    if not is_scope_name(name):
        message = (
            f"{prefix} can't be a scope: expected the name of a folder, such as "
            "/~chat, with %2F for one within another"
        )
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    rest = target.removeprefix(prefix)
    if _MARK.match(rest) or rest.startswith("//"):
        message = (
            f"{prefix} is followed by {rest[:2]}: a scope within another is written "
            "with %2F, as in /~chat%2Fbasic"
        )
        raise RefusedRequestError(message, status=404, error_type="not_found_error")
    return prefix, name, rest if rest.startswith("/") else f"/{rest}"


def is_scope_name(name: str) -> bool:
    """
    Whether a name is safe as that of a folder, or of one within others.
    """
    parts = name.split("/")
    return len(parts) <= _MOST_PARTS and all(
        _PART.fullmatch(part) and len(os.fsencode(part)) <= _MOST_BYTES
        for part in parts
    )
