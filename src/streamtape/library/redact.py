"""Older cassettes under today's redaction: rewritten in place, or left as they are."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from streamtape.core.matching.key import DEFAULT_RULES, match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.scan import Leak
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import clean_json
from streamtape.core.rewriting.frames import RecordFramesReader
from streamtape.core.rewriting.rewriter import Rewriter
from streamtape.errors import CassetteError
from streamtape.library.atomic import NewFile
from streamtape.library.check import find_leaks, find_name_leaks
from streamtape.library.disk import Disk
from streamtape.library.filenames import TAPE_SUFFIX
from streamtape.library.reader import (
    CassetteReader,
    open_regular,
    read_record_frames,
    read_request,
    translated_errors,
)
from streamtape.library.signature import signature_of
from streamtape.library.writer import PART_SUFFIX

_TAIL_BYTES: Final = 16 * 1024 * 1024
"""A truncated tail is less than one frame, and zeros."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was, or would be, taken out of one cassette."""

    leaks: list[Leak]
    """The first hundred, in the order of the file."""
    count: int
    """All of them; 0 for a file that is as it should be."""
    place: Path
    """Where the cassette is: it has another name if there was a secret in the old."""


def redact_file(
    path: Path, secrets: Secrets, *, is_dry: bool = False, disk: Disk | None = None
) -> Redacted:
    """
    Take out of a cassette what today's redaction would not have let in.

    Where there is nothing, the file is not touched. Else a new one takes its place
    once it was read again: sound, with no secret in it, and with the events it had,
    at the times they had. A truncated file stays truncated. A name that holds a secret
    becomes the one that a recorder of today would give.

    Args:
        secrets: What to take out besides what the known rules tell.
        is_dry: Only say what would be done.
        disk: Where to write; None for the usual one.

    Raises:
        CassetteError: It is damaged or no cassette, or the new file is not what it
            should be. The file is as it was.
    """
    signature = signature_of(path)
    redacted = _rewrite(path, None, secrets)
    if is_dry or not redacted.count:
        return redacted
    place = _other_name(path, secrets) if find_name_leaks(path, secrets) else path
    with NewFile(place, disk=disk) as new:
        redacted = replace(_rewrite(path, new, secrets), place=place)
        new.finish(mode=stat.S_IMODE(path.stat().st_mode))
        _check_new(path, new.path, secrets)
        if signature_of(path) != signature:
            raise CassetteError("it was changed meanwhile; try again", path=path)
        if place == path:
            new.replace()
        else:
            new.place_new()
            with translated_errors(path):
                path.unlink()
    return redacted


def _other_name(path: Path, secrets: Secrets) -> Path:
    """Return a free name as the recorder would make it of the redacted request."""
    clean = clean_request(read_request(path), secrets)
    stem = cassette_stem(match_input_of(clean, DEFAULT_RULES))
    for number in itertools.count(1):
        if path.suffix == PART_SUFFIX:
            name = f"{stem}.{number}{PART_SUFFIX}"
        else:
            name = f"{stem}{'' if number == 1 else f'-{number}'}{TAPE_SUFFIX}"
        place = path.with_name(name)
        if not (place.exists() or place.is_symlink()):
            return place
    raise AssertionError("there is always another number")


def _rewrite(path: Path, new: NewFile | None, secrets: Secrets) -> Redacted:
    rewriter = Rewriter(secrets)
    reader = RecordFramesReader()
    for framed in read_record_frames(path, reader):
        packed = rewriter.feed(framed)
        if new is not None:
            new.write(packed)
    packed = rewriter.finish()
    if new is not None:
        new.write(packed)
    if not reader.is_whole:
        # Truncated it can be, and nothing else.
        with CassetteReader(path) as whole:
            whole.read_to_end()
    leaks, count = rewriter.leaks, rewriter.leak_count
    if not reader.has_end and _is_unclean_after(path, reader.offset, secrets):
        leaks = [*leaks, Leak("a secret", "what was cut off, which was left out")]
        count += 1
    named = find_name_leaks(path, secrets)
    return Redacted([*leaks, *named], count + len(named), path)


def _is_unclean_after(path: Path, offset: int, secrets: Secrets) -> bool:
    """Whether a secret is in what a killed recorder left of its last frame."""
    with open_regular(path) as file, translated_errors(path):
        file.seek(offset)
        tail = file.read(_TAIL_BYTES)
    return clean_json(tail, secrets) != tail


def _check_new(path: Path, new: Path, secrets: Secrets) -> None:
    """
    Read a new file to its end, and refuse it if it doesn't say what the old one says.
    """
    with CassetteReader(path) as before, CassetteReader(new) as after:
        is_stream = before.response is not None and before.response.is_event_stream
        for old_ns, new_ns in zip_longest(_offsets(before), _offsets(after)):
            if is_stream and old_ns != new_ns:
                raise CassetteError("its events would not be what they were", path=path)
        if before.ending.reason is not after.ending.reason:
            raise CassetteError("its ending would not be what it was", path=path)
    if leaks := find_leaks(new, secrets):
        raise CassetteError(f"there would still be {leaks[0]}", path=path)


def _offsets(reader: CassetteReader) -> Iterator[int]:
    for part in reader.parts():
        yield part.offset_ns
