"""
What an agent says in one run and not in another: the git status, and a new day.
"""

from __future__ import annotations

import re
from typing import Any, Final

from streamtape.core.matching.coarse import CLOSE_REMINDER, OPEN_REMINDER

_GIT_STATUS: Final = re.compile(
    r"^(?:# gitStatus\n|gitStatus: )This is the git status at the start of",
    re.MULTILINE,
)
_COMMITS: Final = re.compile(
    r"^Recent commits:$(?:\n[0-9a-f]{4,40}(?: .*)?$)*", re.MULTILINE
)
_NEW_DAY: Final = re.compile(
    r"The date has changed\. Today's date is now \d{4}-\d\d-\d\d\..*"
)


def is_aside(item: Any) -> bool:
    """
    Whether a message or a block tells the git status or a new day and nothing else:
    in another run it isn't there at all.
    """
    match item:
        case {"role": "system", "content": str(text) | [{"text": str(text)}]}:
            return _NEW_DAY.fullmatch(text.strip()) is not None
        case {"type": "text", "text": str(text)} if text.startswith(OPEN_REMINDER):
            before, status, behind = _cut_git_status(text)
            is_whole = behind.find(CLOSE_REMINDER) == len(behind.rstrip()) - len(
                CLOSE_REMINDER
            )
            # The tags, and a line each to introduce it and to explain it.
            is_alone = _lines_in(before) < 3 and _lines_in(behind) < 3
            return bool(status) and is_whole and is_alone
        case _:
            return False


def _lines_in(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def without_git_status(text: str) -> str:
    before, status, behind = _cut_git_status(text)
    return (before + behind).rstrip() if status else text


def _cut_git_status(text: str) -> tuple[str, str, str]:
    """
    Return what stands before the git status, the status, empty where there is
    none, and what stands behind.
    """
    # The search for it is slow where it is begun in vain.
    start = _GIT_STATUS.search(text) if "gitStatus" in text else None
    end = _COMMITS.search(text, start.end()) if start else None
    if not start or not end:
        return text, "", ""
    return text[: start.start()], text[start.start() : end.end()], text[end.end() :]
