"""A file whose end was lost, as a whole cassette of what is sound in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from streamtape.core.format.frames import TRAILER
from streamtape.core.format.records import End
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.redaction.scan import Leak
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import LostEnd, RecordFramesReader
from streamtape.core.rewriting.rewriter import Rewriter
from streamtape.errors import CassetteError, NotACassetteError
from streamtape.library.atomic import NewFile
from streamtape.library.check import find_leaks
from streamtape.library.disk import Disk, is_locked
from streamtape.library.reader import CassetteReader, read_record_frames
from streamtape.library.writer import PART_SUFFIX

_MADE: Final = "its end was lost and made anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of a file."""

    ending: Ending
    """Of the new cassette."""
    had_end: bool
    """Whether the file had it already."""
    part_count: int
    is_stream: bool
    sound_bytes: int
    """How much of the file was sound, from its start."""
    rest_bytes: int
    """How much stands after that and was left out, a whole trailer apart."""
    fault: str | None
    """Why what stands there is not sound; None where a recorder just stopped."""
    is_lossy: bool
    """Whether some of the response is lost, or may be."""
    leaks: list[Leak]
    """What was redacted on the way, the first hundred."""


def recover_file(
    path: Path, place: Path, secrets: Secrets, *, disk: Disk | None = None
) -> Recovered:
    """
    Write all that is sound in a file, up to the first byte that isn't, as a cassette.

    The file itself is not touched. What comes out was read again before it got its
    name, and recovering it gives the same bytes.

    Args:
        place: The new file, which must not be there yet.
        secrets: What to take out besides what the known rules tell.
        disk: Where to write; None for the usual one.

    Raises:
        CassetteError: There is nothing to recover, it is still being recorded, it
            needs a later version, or the new file can't be written.
    """
    if path.suffix == PART_SUFFIX and is_locked(path):
        reason = "it is still being recorded; stop its recorder first"
        raise CassetteError(reason, path=path)
    with NewFile(place, disk=disk) as new:
        recovered = _write(path, new, secrets)
        new.finish()
        _check_new(path, new.path, recovered, secrets)
        new.place_new()
    return recovered


def _write(path: Path, new: NewFile, secrets: Secrets) -> Recovered:
    reader, rewriter = RecordFramesReader(), Rewriter(secrets)
    request: Request | None = None
    lost: LostEnd | None = None
    ending: Ending | None = None
    part_count = offset_ns = 0
    is_stream = False
    for framed in read_record_frames(path, reader):
        new.write(rewriter.feed(framed))
        match framed.record:
            case Request():
                request = framed.record
            case Response() if request is not None:
                lost = LostEnd(request, framed.record, secrets)
                is_stream = framed.record.is_event_stream
                offset_ns = framed.record.offset_ns
            case Part() if lost is not None:
                lost.feed(framed.record)
                part_count += 1
                offset_ns = framed.record.offset_ns
            case End():
                ending = framed.record.ending
    if lost is None:
        reason = "nothing to recover: it ends before its response begins"
        raise NotACassetteError(reason, path=path)
    rest_bytes = path.stat().st_size - reader.offset
    is_lossy = False
    had_end = ending is not None
    if ending is None:
        is_lossy = not lost.is_over
        detail = _MADE
        if is_lossy:
            last = f"{'event' if is_stream else 'chunk'} {part_count}"
            detail = f"what came after {last if part_count else 'its head'} was lost"
        ending = Ending(
            reason=EndReason.DISK_ERROR if is_lossy else EndReason.COMPLETE,
            offset_ns=offset_ns,
            detail=detail,
        )
        new.write(rewriter.end(ending, lost.summarise()))
    else:
        rest_bytes = max(0, rest_bytes - TRAILER.size)
    return Recovered(
        ending=ending,
        had_end=had_end,
        part_count=part_count,
        is_stream=is_stream,
        sound_bytes=reader.offset,
        rest_bytes=rest_bytes,
        fault=reader.fault,
        is_lossy=is_lossy,
        leaks=rewriter.leaks,
    )


def _check_new(path: Path, new: Path, recovered: Recovered, secrets: Secrets) -> None:
    """Read the new file to its end, and refuse it if it doesn't say what it should."""
    with CassetteReader(new) as after:
        for old, part in zip_longest(_parts(path), after.parts()):
            is_same = old == part
            if recovered.leaks:
                # Without its secrets, and a body that is no stream may be cut anew.
                is_same = not recovered.is_stream or (
                    old is not None
                    and part is not None
                    and old.offset_ns == part.offset_ns
                )
            if not is_same:
                raise CassetteError("its events would not be what they were", path=path)
        if after.end is None or after.ending.reason is not recovered.ending.reason:
            raise CassetteError("its end could not be written", path=path)
    if leaks := find_leaks(new, secrets):
        raise CassetteError(f"there would still be {leaks[0]}", path=path)


def _parts(path: Path) -> Iterator[Part]:
    for framed in read_record_frames(path, RecordFramesReader()):
        if isinstance(framed.record, Part):
            yield framed.record
