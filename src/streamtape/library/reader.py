"""
Reading one cassette from its file, in bounded memory.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamtape.core.cassette import Cassette
from streamtape.core.format.frames import TRAILER_MAGIC
from streamtape.core.format.records import End, Header, Record
from streamtape.core.format.tail import check_trailer, holds_conflict, is_torn
from streamtape.core.format.tape_reader import TapeReader
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    NotACassetteError,
)
from streamtape.library.opening import open_regular, translated_errors

_BLOCK_BYTES: Final = 256 * 1024


class CassetteReader:
    """
    An open cassette whose parts are read as they are asked for.

    A file that simply stops is *torn*: its parts are given, and the ending says
    TORN. A file whose bytes go on behind a bad place is *damaged*: an error.

    Args:
        path: A ``.tape`` file, or the ``.part`` of a recording that has not ended.

    Raises:
        CassetteNotFoundError: There is no such file.
        NotACassetteError: It is no regular file, or holds something else.
        UnsupportedVersionError: It needs a later streamtape.
        DamagedCassetteError: It is damaged before the body begins.
        CassetteError: The disk fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request: Request
        self.response: Response | None = None
        self.recorded_at: str | None = None
        self._last_offset_ns = 0
        self._file = open_regular(path)
        self._tape = TapeReader()
        self._records = self._read_records()
        try:
            self._first_part = self._read_head()
        except BaseException:
            self.close()
            raise

    def parts(self) -> Iterator[Part]:
        """
        Yield the parts of the body, once, in their order.

        Raises:
            DamagedCassetteError: A part does not verify although the file goes on.
            CassetteError: The disk fails.
        """
        if self._first_part is None:
            return
        yield self._first_part
        for record in self._records:
            if isinstance(record, Part):
                self._last_offset_ns = record.offset_ns
                yield record
        if self._file.closed:
            message = "the rest of a cassette was asked for behind its close()"
            raise ValueError(message)

    @property
    def end(self) -> End | None:
        """
        The END record; None until all parts were read, and in a torn file.
        """
        return self._tape.end

    @property
    def ending(self) -> Ending:
        """
        How the response ended; call it when all parts were read.
        """
        if self.end is not None:
            return self.end.ending
        return Ending(
            reason=EndReason.TORN,
            offset_ns=self._last_offset_ns,
            detail="the recorder was stopped before it could write the end",
        )

    def close(self) -> None:
        """
        Close the file; may be called twice.
        """
        self._file.close()
        # It holds this: a circle that would keep what was read until a collector comes.
        self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_head(self) -> Part | None:
        """
        Read all that comes before the body, and the first part, if there is one.
        """
        request: Request | None = None
        for record in self._records:
            match record:
                case Header():
                    self.recorded_at = record.recorded_at
                case Request():
                    request = self.request = record
                case Response():
                    self.response = record
                    self._last_offset_ns = record.offset_ns
                case Part():
                    self._last_offset_ns = record.offset_ns
                    return record
        if request is None:
            reason = (
                "not a usable cassette: it ends before its request does; remove it, "
                "and record it again"
            )
            raise NotACassetteError(reason, path=self.path)
        return None

    def _read_records(self) -> Generator[Record, None, None]:
        frames = self._tape.frames
        try:
            with translated_errors(self.path):
                while block := self._file.read(_BLOCK_BYTES):
                    yield from self._tape.feed(block)
                    if frames.fault is not None or self.end is not None:
                        break
                self._check_tail(self._file.read(_BLOCK_BYTES) if block else b"")
        except CassetteError as error:
            error.path = self.path
            raise

    def _check_tail(self, more: bytes) -> None:
        """
        Tell a torn tail, which is played, from damage, which is refused.

        Args:
            more: What follows what the frames were looked for in; nothing where all
                was, even if the file has grown since, for it is being recorded then.
        """
        frames = self._tape.frames
        frames.check_ended_in_magic()
        tail = frames.pending + more
        if self.end is not None:
            check_trailer(tail, self._tape.end_offset, frames.offset)
            return
        if not tail or (is_torn(tail) and not self._goes_on(tail, is_all=not more)):
            return
        reason = frames.fault.reason if frames.fault else "its length is wrong"
        if holds_conflict(tail):
            reason += ", and a merge conflict is in it; check out one of the two files"
        raise DamagedCassetteError(reason, offset=frames.offset)

    def _goes_on(self, tail: bytes, *, is_all: bool) -> bool:
        """
        Whether a trailer ends the file, or anything but zeros stands near its end.
        """
        rest = b""
        if not is_all:
            end = self._tape.frames.offset + len(tail)
            size = self._file.seek(0, os.SEEK_END)
            self._file.seek(max(end, size - _BLOCK_BYTES))
            rest = self._file.read(_BLOCK_BYTES)
        last = tail[-len(TRAILER_MAGIC) :] + rest
        return bool(rest.strip(b"\0")) or last.endswith(TRAILER_MAGIC)


def read_cassette(path: Path | str) -> Cassette:
    """
    Read a whole cassette into memory.

    Raises:
        CassetteError: As :class:`CassetteReader` and its parts do.
    """
    path = Path(path)
    with CassetteReader(path) as reader:
        parts = tuple(reader.parts())
        return Cassette(
            name=path.name.removesuffix(".tape"),
            request=reader.request,
            response=reader.response,
            parts=parts,
            ending=reader.ending,
            recorded_at=reader.recorded_at,
        )
