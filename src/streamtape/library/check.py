"""
The look through one file of a library for whatever is wrong with it.

Also for secrets; and what is said of each finding: how bad it is, where, and what to
do about it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from streamtape.core.format.records import End
from streamtape.core.matching.names import find_kinds_in_name
from streamtape.core.messages.deltas import AnyEvent
from streamtape.core.messages.grammar import Grammar
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.redaction.scan import Leak, LeakScanner, RawScanner
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import (
    RecordFrames,
    RecordFramesReader,
    holds_secret,
    unknown_in,
)
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    UnsupportedVersionError,
)
from streamtape.library.disk import is_locked
from streamtape.library.reader import (
    CassetteReader,
    read_record_frames,
    translated_errors,
)
from streamtape.library.writer import PART_SUFFIX


def check_file(
    path: Path, secrets: Secrets, *, is_given: bool = False
) -> Iterator[Finding]:
    """
    Yield what is to be said of a file, the worst first; reads all of it.

    Takes little memory, whatever its size.

    Args:
        secrets: What to look for besides the known rules.
        is_given: Whether a person, or Git, means this very file. A part that is found
            in a folder is an orphan, and one that is given is no cassette.
    """
    is_part = path.suffix == PART_SUFFIX
    if is_part:
        is_running = is_locked(path)
        yield about_part(path, is_running=is_running, is_given=is_given)
        if is_running:
            return
    stream, reader = _Stream(path), RecordFramesReader()
    leaks = list(_find_secrets(path, reader, stream, secrets))
    ending = stream.ending
    try:
        if not reader.is_whole:
            # It is truncated, or this says what is wrong with it.
            ending = None
            with CassetteReader(path) as whole:
                ending = whole.read_to_end()
    except CassetteError as error:
        severity = Severity.WARNING if is_part and not is_given else Severity.ERROR
        yield about_error(path, error, severity)
    yield from limited(leaks)
    yield from stream.findings(ending)
    if not (is_part or ending is None or ending.is_complete):
        yield about_ending(path, ending)


class _Stream:
    """
    Follows what a cassette says, record by record, for what is odd about its events.
    """

    def __init__(self, path: Path) -> None:
        self.ending: Ending | None = None
        """What the END says; None until then."""
        self._path = path
        self._grammar = Grammar()
        self._part_count = 0
        self._odd: list[Finding] = []
        self._odd_count = 0

    def feed(self, framed: RecordFrames, event: AnyEvent | None) -> None:
        """Take the next record; an event as it was read, too."""
        match framed.record:
            case Part() as part:
                self._part_count += 1
                if event is not None:
                    for fault in self._grammar.feed(part.raw, event):
                        self._add(fault, f"event {self._part_count}")
            case End() as end:
                self.ending = end.ending

    def findings(self, ending: Ending | None) -> Iterator[Finding]:
        """
        Yield what was odd, the first of it.

        Args:
            ending: Of the answer; None if it can't be told.
        """
        if ending is not None:
            for fault in self._grammar.end(is_complete=ending.is_complete):
                self._add(fault, "the end")
        yield from limited(self._odd, self._odd_count)

    def _add(self, fault: str, where: str) -> None:
        self._odd_count += 1
        if self._odd_count <= MOST_FINDINGS:
            self._odd.append(about_events(self._path, fault, where))


def _find_secrets(
    path: Path, reader: RecordFramesReader, stream: _Stream, secrets: Secrets
) -> Iterator[Finding]:
    leaks: list[Leak] = []
    try:
        leaks = find_leaks(path, secrets, reader, watch=stream.feed)
    except UnsupportedVersionError:
        with translated_errors(path):
            leaks = [Leak(kind, "the file") for kind in find_raw_kinds(path, secrets)]
    except CassetteError:
        # What is wrong with it is told by whoever reads its ending.
        pass
    for leak in leaks:
        yield about_leak(path, leak)


MOST_FINDINGS: Final = 20
"""Of one sort in one file; the others are counted."""


class Severity(StrEnum):
    """How bad it is."""

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
    """Make a finding of what a reader says; after a semicolon it says what to do."""
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
    """Say why an answer is not complete."""
    if ending.reason is EndReason.TRUNCATED:
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
    """Say where a secret is, and not which."""
    return Finding(
        path=path,
        severity=Severity.ERROR,
        what=leak.kind,
        where=leak.where,
        todo=f"{command_for('redact', path)}; rotate what was a key, if it was shared",
    )


def about_events(path: Path, fault: str, where: str) -> Finding:
    """Say what is odd about the events of an answer."""
    return Finding(
        path=path,
        severity=Severity.WARNING,
        what=fault,
        where=where,
        todo="it is replayed as it came; record it again if a client stumbles over it",
    )


def command_for(name: str, path: Path) -> str:
    """Write a command that can be copied, whatever a stranger called the file."""
    named = str(path)
    # One that begins with a dash would be an option.
    named = f"./{named}" if named.startswith("-") else named
    return f"streamtape {name} {shlex.quote(named)}"


_BLOCK_BYTES: Final = 1024 * 1024


def find_leaks(
    path: Path,
    secrets: Secrets,
    reader: RecordFramesReader | None = None,
    *,
    watch: Callable[[RecordFrames, AnyEvent | None], object] | None = None,
) -> list[Leak]:
    """
    Return the secrets in a cassette, or in the prefix of one that is damaged.

    The file's bytes are looked at as they stand, too: what no record accounts for
    is found there. Reads the file once, in bounded memory.

    Args:
        secrets: What to look for besides the known rules.
        reader: Says afterwards where and why it stopped; None for whoever doesn't ask.
        watch: Is given each sound record, and the event in it or None, for whoever
            wants to look at more than secrets and not read all of it again; None for
            nobody.

    Raises:
        CassetteError: It can't be opened, is no cassette, or needs a later version.
    """
    scanner, raw = LeakScanner(secrets), RawScanner(secrets)
    unknown: list[Leak] = []
    for framed in read_record_frames(
        path, reader or RecordFramesReader(), tap=raw.feed
    ):
        event = _scan(scanner, framed)
        if holds_secret(unknown_in(framed), secrets):
            unknown.append(Leak("a secret", f"a frame of type {framed.kind}"))
        if watch is not None:
            watch(framed, event)
    leaks = scanner.leaks() + unknown
    said = {leak.kind for leak in leaks}
    leaks += [
        Leak(kind, "the file, outside of what it says")
        for kind in raw.kinds
        if kind not in said
    ]
    return leaks + find_name_leaks(path, secrets)


def find_name_leaks(path: Path, secrets: Secrets) -> list[Leak]:
    """Return the secrets in the name of a file, which tells what was asked."""
    kinds = find_kinds_in_name(path.name, secrets)
    return [Leak(kind, "the file's name") for kind in kinds]


def find_raw_kinds(path: Path, secrets: Secrets) -> list[str]:
    """
    Name the kinds of secret in the bytes of a file, whatever they mean.

    Raises:
        OSError: It can't be read.
    """
    scanner = RawScanner(secrets)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            scanner.feed(block)
    return scanner.kinds


def _scan(scanner: LeakScanner, framed: RecordFrames) -> AnyEvent | None:
    match framed.record:
        case Part() as part:
            return scanner.part(part)
        case Request() as request:
            scanner.request(request)
        case Response() as response:
            scanner.response(response)
        case End() as end:
            scanner.end(end.ending, end.summary)
    return None
