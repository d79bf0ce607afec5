"""
What is wrong with one file of a library, and what to do about it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from streamtape.core.model import Ending, EndReason
from streamtape.core.secrecy.leaks import Leak
from streamtape.core.streams.grammar import Grammar
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    UnsupportedVersionError,
)
from streamtape.library.leaks import find_leaks, find_raw_kinds
from streamtape.library.locks import is_locked
from streamtape.library.opening import translated_errors
from streamtape.library.reader import CassetteReader
from streamtape.library.writer import PART_SUFFIX

MOST_FINDINGS: Final = 20
"""Of one sort in one file; the others are counted."""

_AS_IT_CAME: Final = (
    "it is replayed as it came; record it again if a client stumbles over it"
)


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


def check_file(path: Path, *, is_given: bool = False) -> Iterator[Finding]:
    """
    Yield what is to be said of a file, the worst first; reads all of it.

    Takes little memory, whatever its size.

    Args:
        is_given: Whether a person, or Git, means this very file. A part that is found
            in a folder is an orphan, and one that is given is no cassette.
    """
    is_part = path.suffix == PART_SUFFIX
    if is_part:
        is_running = is_locked(path)
        yield _about_part(path, is_running=is_running, is_given=is_given)
        if is_running:
            return
    severity = Severity.WARNING if is_part and not is_given else Severity.ERROR
    others: list[Finding] = []
    try:
        others += _limited(_find_in_events(path, is_part=is_part))
    except CassetteError as error:
        yield _about_error(path, error, severity)
    yield from _limited(_find_secrets(path))
    yield from others


def _find_in_events(path: Path, *, is_part: bool) -> Iterator[Finding]:
    """
    Yield what is odd about the events and the ending of a sound cassette.

    Raises:
        CassetteError: It is none.
    """
    with CassetteReader(path) as reader:
        is_stream = reader.response is not None and reader.response.is_event_stream
        grammar = Grammar()
        odd = Finding(path=path, severity=Severity.WARNING, what="", todo=_AS_IT_CAME)
        for number, part in enumerate(reader.parts(), 1):
            if is_stream:
                for fault in grammar.feed(part.raw):
                    yield replace(odd, what=fault, where=f"event {number}")
        for fault in grammar.end(is_complete=reader.ending.is_complete):
            yield replace(odd, what=fault, where="the end")
        if not (is_part or reader.ending.is_complete):
            yield _about_ending(path, reader.ending)


def _find_secrets(path: Path) -> Iterator[Finding]:
    try:
        with translated_errors(path):
            leaks = find_leaks(path)
    except (DamagedCassetteError, UnsupportedVersionError):
        with translated_errors(path):
            leaks = [Leak(kind, "the file") for kind in find_raw_kinds(path)]
    except CassetteError:
        return
    for leak in leaks:
        yield Finding(
            path=path,
            severity=Severity.ERROR,
            what=leak.kind,
            where=leak.where,
            todo=f"{_command('redact', path)}; rotate what was a key, if it was shared",
        )


def _about_part(path: Path, *, is_running: bool, is_given: bool) -> Finding:
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
        todo=f"{_command('recover', path)} makes a cassette of it; else remove it",
    )


def _about_error(path: Path, error: CassetteError, severity: Severity) -> Finding:
    """
    Make a finding of what a reader says; behind a semicolon it says what to do.
    """
    what, _, todo = error.reason.partition("; ")
    where = ""
    if isinstance(error, DamagedCassetteError):
        where = f"byte {error.offset}"
        what = "damaged: " + what.partition(": ")[2]
        command = _command("recover", path)
        todo = todo or f"restore it; else {command} keeps what is sound before it"
    elif isinstance(error, UnsupportedVersionError):
        todo = todo or "upgrade streamtape"
    return Finding(path=path, severity=severity, what=what, where=where, todo=todo)


def _about_ending(path: Path, ending: Ending) -> Finding:
    if ending.reason is EndReason.TORN:
        return Finding(
            path=path,
            severity=Severity.WARNING,
            what="it has no end: it was cut off, or its recorder was killed",
            todo=f"restore it; else {_command('recover', path)} gives it one",
        )
    return Finding(
        path=path,
        severity=Severity.NOTE,
        what=f"the answer broke off, {ending.reason.replace('_', ' ')}",
        todo="nothing, if that was meant: a replay breaks off there too",
    )


def _command(name: str, path: Path) -> str:
    """
    Write a command that can be copied, whatever a stranger called the file.
    """
    return f"streamtape {name} {shlex.quote(str(path))}"


def _limited(findings: Iterable[Finding]) -> Iterator[Finding]:
    """
    Yield the first of the findings of one sort, and how many more there are.
    """
    findings = iter(findings)
    last: Finding | None = None
    for last in islice(findings, MOST_FINDINGS):
        yield last
    if last is not None and (more := sum(1 for _ in findings)):
        yield replace(last, what=f"and {more:,} more like these", where="", todo="")
