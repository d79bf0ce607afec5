"""
The pieces of a cassette: what it says, with the frames in which it says it.

For programs that write a cassette anew and have to keep what they don't know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from streamtape.core.format.frames import Flags, Frame
from streamtape.core.format.records import Kind, Record
from streamtape.core.format.tape_reader import TapeReader
from streamtape.errors import DamagedCassetteError

_KNOWN = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """
    A record with its frames, or one frame that holds none.
    """

    frames: tuple[Frame, ...]
    """One, but for a record that is too long for it."""
    record: Record | None
    """None for a NOTE, and for a frame of a type that is not known."""

    @property
    def kind(self) -> int:
        """
        The type of its frames.
        """
        return self.frames[0].kind

    @property
    def payload(self) -> bytes:
        """
        What is in its frames, joined.
        """
        return b"".join(frame.payload for frame in self.frames)


class PieceReader:
    """
    Finds the pieces in the bytes of a file, as far as they are sound.

    It stops for good at the first that isn't, and behind the END. Feed it blocks as
    they are read.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        """Why nothing more is given, once something is not sound; else None."""
        self.offset = 0
        """Position in the file behind the last piece; 0 while there is none."""
        self.has_end = False
        """Whether the last piece was the END."""
        self._tape = TapeReader()
        self._open: list[Frame] = []

    def feed(self, block: bytes) -> Iterator[Piece]:
        """
        Take the next bytes of the file and yield the pieces that are whole now.

        Raises:
            NotACassetteError: The file does not begin with the magic.
            UnsupportedVersionError: It needs a later reader.
        """
        if self.fault is not None or self.has_end:
            return
        for frame in self._tape.frames.feed(block):
            try:
                record = self._tape.take(frame)
            except DamagedCassetteError as error:
                _, _, self.fault = error.reason.partition(": ")
                return
            self._open.append(frame)
            if frame.kind in _KNOWN and frame.flags & Flags.MORE:
                continue
            piece = Piece(frames=tuple(self._open), record=record)
            self._open.clear()
            self.offset = self._tape.frames.offset
            self.has_end = self._tape.end is not None
            yield piece
            if self.has_end:
                return
        if self._tape.frames.fault is not None:
            self.fault = self._tape.frames.fault.reason

    def end(self) -> None:
        """
        Call at the end of the file: one shorter than the magic is no cassette.

        Raises:
            NotACassetteError: The file ended within the magic.
        """
        self._tape.frames.check_ended_in_magic()
