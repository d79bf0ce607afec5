"""
What is said of the files of a library: how bad it is, where, and what to do about it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamtape.core.model import Ending, EndReason
from streamtape.core.secrecy.leaks import Leak
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    UnsupportedVersionError,
)

MOST_FINDINGS: Final = 20
"""Of one sort in one file; the others are counted."""


class Severity(StrEnum):
    """
    How bad it is.
    """

    ERROR = "error"
    """The file can't be used, or must not be shared."""
    WARNING = "warning"
    """It can be used, but is not as it should be."""
    NOTE = "note"
    """It is as it was meant to be, and worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing about one file. Holds nothing of a secret itself.
    """

    path: Path
    severity: Severity
    what: str
    where: str = ""
    """Within the file; empty for the file as a whole."""
    todo: str = ""
    """Empty where there is nothing to do."""


def limited(findings: Sequence[Finding], count: int | None = None) -> Iterator[Finding]:
    """
    Yield the first of the findings of one sort, and how many more there are.

    Args:
        count: How many there are; None for as many as are given.
    """
    shown = findings[:MOST_FINDINGS]
    yield from shown
    if more := (len(findings) if count is None else count) - len(shown):
        what = f"and {more:,} more like these"
        yield replace(shown[-1], what=what, where="", todo="")


def about_part(path: Path, *, is_running: bool, is_given: bool) -> Finding:
    """
    Say that a recording runs, or that it was left without an end.

    Args:
        is_given: As for :func:`~streamtape.library.check.check_file`.
    """
    if is_running:
        return Finding(
            path=path,
            severity=Severity.ERROR if is_given else Severity.NOTE,
            what="still being recorded, and not checked",
            todo="wait until its recorder has ended",
        )
    return Finding(
        path=path,
        severity=Severity.ERROR if is_given else Severity.WARNING,
        what="a recording that was not finished",
        todo=f"{command_for('recover', path)} makes a cassette of it; else remove it",
    )


def about_error(path: Path, error: CassetteError, severity: Severity) -> Finding:
    """
    Make a finding of what a reader says; behind a semicolon it says what to do.
    """
    what, _, todo = error.reason.partition("; ")
    where = ""
    if isinstance(error, DamagedCassetteError):
        where = f"byte {error.offset}"
        what = "damaged: " + what.partition(": ")[2]
        command = command_for("recover", path)
        todo = todo or f"restore it; else {command} keeps what is sound before it"
    elif isinstance(error, UnsupportedVersionError):
        todo = todo or "upgrade streamtape"
    return Finding(path=path, severity=severity, what=what, where=where, todo=todo)


def about_ending(path: Path, ending: Ending) -> Finding:
    """
    Say why an answer is not complete.
    """
    if ending.reason is EndReason.TORN:
        return Finding(
            path=path,
            severity=Severity.WARNING,
            what="it has no end: it was cut off, or its recorder was killed",
            todo=f"restore it; else {command_for('recover', path)} gives it one",
        )
    return Finding(
        path=path,
        severity=Severity.NOTE,
        what=f"the answer broke off, {ending.reason.replace('_', ' ')}",
        todo="nothing, if that was meant: a replay breaks off there too",
    )


def about_leak(path: Path, leak: Leak) -> Finding:
    """
    Say where a secret is, and not which.
    """
    return Finding(
        path=path,
        severity=Severity.ERROR,
        what=leak.kind,
        where=leak.where,
        todo=f"{command_for('redact', path)}; rotate what was a key, if it was shared",
    )


def about_events(path: Path, fault: str, where: str) -> Finding:
    """
    Say what is odd about the events of an answer.
    """
    return Finding(
        path=path,
        severity=Severity.WARNING,
        what=fault,
        where=where,
        todo="it is replayed as it came; record it again if a client stumbles over it",
    )


def command_for(name: str, path: Path) -> str:
    """
    Write a command that can be copied, whatever a stranger called the file.
    """
    named = str(path)
    # One that begins with a dash would be an option.
    named = f"./{named}" if named.startswith("-") else named
    return f"streamtape {name} {shlex.quote(named)}"
