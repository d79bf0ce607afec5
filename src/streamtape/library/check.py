"""
The look through one file of a library for whatever is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamtape.core.format.frames import HEAD, TRAILER, TRAILER_MAGIC, Frame
from streamtape.core.format.records import End
from streamtape.core.model import Ending, Part, Response
from streamtape.core.rewriting.pieces import Piece
from streamtape.core.secrecy.leaks import Leak
from streamtape.core.streams.grammar import Grammar
from streamtape.errors import CassetteError, UnsupportedVersionError
from streamtape.library.findings import (
    MOST_FINDINGS,
    Finding,
    Severity,
    about_ending,
    about_error,
    about_events,
    about_leak,
    about_part,
    limited,
)
from streamtape.library.leaks import find_leaks, find_raw_kinds
from streamtape.library.locks import is_locked
from streamtape.library.opening import open_regular, translated_errors
from streamtape.library.reader import CassetteReader
from streamtape.library.writer import PART_SUFFIX


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
        yield about_part(path, is_running=is_running, is_given=is_given)
        if is_running:
            return
    stream = _Stream(path)
    leaks = list(_find_secrets(path, stream))
    ending: Ending | None = None
    try:
        ending = stream.ending or _read_ending(path)
    except CassetteError as error:
        severity = Severity.WARNING if is_part and not is_given else Severity.ERROR
        yield about_error(path, error, severity)
    yield from limited(leaks)
    yield from stream.findings(ending)
    if not (is_part or ending is None or ending.is_complete):
        yield about_ending(path, ending)


class _Stream:
    """
    Follows what a cassette says, piece by piece, for what is odd about its events.
    """

    def __init__(self, path: Path) -> None:
        self.ending: Ending | None = None
        """That of a file which is sound to its last byte; else None."""
        self._path = path
        self._grammar = Grammar()
        self._is_stream = False
        self._part_count = 0
        self._odd: list[Finding] = []
        self._odd_count = 0

    def feed(self, piece: Piece) -> None:
        """
        Take the next piece.
        """
        match piece.record:
            case Part() as part:
                self._part_count += 1
                if self._is_stream:
                    for fault in self._grammar.feed(part.raw):
                        self._add(fault, f"event {self._part_count}")
            case Response() as response:
                self._is_stream = response.is_event_stream
            case End() as end:
                if _is_last(self._path, piece.frames[-1]):
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


def _is_last(path: Path, end: Frame) -> bool:
    """
    Whether nothing but its trailer stands behind an END frame.
    """
    trailer = TRAILER.pack(end.offset, TRAILER_MAGIC)
    with open_regular(path) as file, translated_errors(path):
        file.seek(end.offset + HEAD.size + len(end.payload))
        return file.read(len(trailer) + 1) == trailer


def _read_ending(path: Path) -> Ending:
    """
    Return the ending of a file that is not whole, if it is a cassette at all.

    Raises:
        CassetteError: It is none, or damaged: says what is wrong.
    """
    with CassetteReader(path) as reader:
        for _ in reader.parts():
            pass
        return reader.ending


def _find_secrets(path: Path, stream: _Stream) -> Iterator[Finding]:
    leaks: list[Leak] = []
    try:
        leaks = find_leaks(path, watch=stream.feed)
    except UnsupportedVersionError:
        with translated_errors(path):
            leaks = [Leak(kind, "the file") for kind in find_raw_kinds(path)]
    except CassetteError:
        # What is wrong with it is told by whoever reads its ending.
        pass
    for leak in leaks:
        yield about_leak(path, leak)
