"""
Reading one cassette from its file, in bounded memory, or one record of it.

What the system refuses is said as an error of the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from streamtape.core.cassette import Cassette
from streamtape.core.format.frames import (
    HEAD,
    MAX_PAYLOAD_BYTES,
    TRAILER,
    TRAILER_MAGIC,
)
from streamtape.core.format.reader import (
    RecordReader,
    check_trailer,
    find_end,
    find_header,
    find_request,
    holds_conflict,
    is_truncated,
)
from streamtape.core.format.records import End, Header, Record
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.errors import (
    CassetteError,
    CassetteNotFoundError,
    DamagedCassetteError,
    NotACassetteError,
)

if TYPE_CHECKING:
    # Whoever only reads needs nothing of what writes anew.
    from streamtape.core.rewriting.frames import RecordFrames, RecordFramesReader

_BLOCK_BYTES: Final = 256 * 1024


class CassetteReader:
    """
    An open cassette whose parts are read as they are asked for.

    A file that simply stops is *truncated*: its parts are given, and the ending says
    TRUNCATED. A file whose bytes go on after a bad place is *damaged*: an error.

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
        self._tape = RecordReader()
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
            message = "the rest of a cassette was asked for after its close()"
            raise ValueError(message)

    def read_to_end(self) -> Ending:
        """
        Read all parts, for whoever wants to know only that they are sound.

        Raises:
            CassetteError: As for :meth:`parts`.
        """
        for _ in self.parts():
            pass
        return self.ending

    @property
    def end(self) -> End | None:
        """The END record; None until all parts were read, and in a truncated file."""
        return self._tape.end

    @property
    def ending(self) -> Ending:
        """How the response ended; call it when all parts were read."""
        if self.end is not None:
            return self.end.ending
        return Ending(
            reason=EndReason.TRUNCATED,
            offset_ns=self._last_offset_ns,
            detail="the recorder was stopped before it could write the end",
        )

    def close(self) -> None:
        """Close the file; may be called twice."""
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
        """Read all that comes before the body, and the first part, if there is one."""
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
        Tell a truncated tail, which is played, from damage, which is refused.

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
        if not tail or (
            is_truncated(tail) and not self._goes_on(tail, is_all=not more)
        ):
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


def read_record_frames(
    path: Path,
    reader: RecordFramesReader,
    *,
    tap: Callable[[bytes], object] | None = None,
) -> Iterator[RecordFrames]:
    """
    Yield the records of a file with their frames, as far as they are sound, in bounded
    memory.

    Args:
        reader: Says afterwards where and why it stopped.
        tap: Is given all bytes of the file, block by block, also those after the
            place where the records stop; None for nobody.

    Raises:
        CassetteError: It can't be opened, is no cassette, or needs a later version.
    """
    with open_regular(path) as file, translated_errors(path):
        try:
            while block := file.read(_BLOCK_BYTES):
                if tap is not None:
                    tap(block)
                yield from reader.feed(block)
            reader.end()
        except CassetteError as error:
            error.path = path
            raise


EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that are this process's own, and say nothing about a file."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is one: a fifo would block, a link may lead anywhere."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with translated_errors(path):
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotACassetteError("not a file", path=path)
    return os.fdopen(descriptor, "rb", buffering=0)


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Name the file in what the system says of it, as an error of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise CassetteNotFoundError("there is no such cassette", path=path) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            reason = "a symbolic link, which is not followed; name the file itself"
            raise NotACassetteError(reason, path=path) from error
        reason = f"can't be read: {error.strerror or error}"
        raise CassetteError(reason, path=path) from error


_HEADER_BYTES: Final = 1024
"""More than a HEADER of this version, with some room for those of later ones."""

_REQUEST_BYTES: Final = 128 * 1024
"""More than most requests have."""


def read_header(path: Path) -> Header | None:
    """
    Return the HEADER without reading the request, or None if there is no short one.

    A shortcut for indexes: it verifies the HEADER, but nothing after it.

    Raises:
        CassetteError: The file can't be read.
    """
    with open_regular(path) as file, translated_errors(path):
        return find_header(file.read(_HEADER_BYTES))


def read_request(path: Path) -> Request:
    """
    Return the request without reading what is after it, where that can be done.

    Raises:
        CassetteError: It can't be read that far.
    """
    with open_regular(path) as file, translated_errors(path):
        request = find_request(file.read(_REQUEST_BYTES))
    if request is None:
        # Long or odd, or else the error says what is wrong with it.
        with CassetteReader(path) as reader:
            request = reader.request
    return request


def read_end(path: Path) -> End | None:
    """
    Return the END record without reading the body, or None if there is none.

    A shortcut for listings: it looks where the trailer points and verifies what
    stands there, but not what comes before.

    Raises:
        CassetteError: The file can't be read.
    """
    with open_regular(path) as file, translated_errors(path):
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER.size))
        trailer = file.read(TRAILER.size)
        if len(trailer) < TRAILER.size:
            return None
        position, magic = TRAILER.unpack(trailer)
        end_size = size - TRAILER.size - position
        if magic != TRAILER_MAGIC or not 0 < end_size <= HEAD.size + MAX_PAYLOAD_BYTES:
            return None
        file.seek(position)
        return find_end(file.read(end_size))


def is_whole(path: Path) -> bool:
    """
    Whether a recording holds all that the upstream gave, be that a break.

    What a client left, what we ended and what can't be read is not whole.
    """
    try:
        end = read_end(path)
    except CassetteError:
        return False
    return end is not None and end.ending.reason.is_by_upstream
