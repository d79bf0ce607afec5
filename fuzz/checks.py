"""What must hold of any bytes at all; a check raises where it doesn't."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from fuzz.mutants import damage
from streamtape.core.format.reader import (
    RecordReader,
    find_end,
    find_header,
    find_request,
)
from streamtape.core.format.records import Header
from streamtape.core.model import Ending, EndReason, Part, Response
from streamtape.core.sse import EventSplitter, encode_event, parse_event
from streamtape.errors import CassetteError
from streamtape.library.reader import CassetteReader, read_end, read_request

DAMAGED: Final = b"D"
"""Begins an input that says which cassette to damage, and how."""

FORGED: Final = b"F"
"""Begins an input whose rest is the file."""

_PIECE_BYTES: Final = 61
"""No divisor of anything, so that pieces end anywhere."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader gave of a file, and how that ended."""

    records: list[object]
    """Request, response and parts, as far as they were given."""
    ending: Ending | CassetteError


class ReaderCheck:
    """
    Reads any bytes as a cassette.

    Args:
        folder: For the file that is read.
        originals: Cassettes to damage; those that can't be read are left out, for a
            damage more may mend them.
    """

    def __init__(self, folder: Path, originals: list[bytes]) -> None:
        self._path = folder / "mutant.tape"
        self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        read = [(data, self.read(data)) for data in originals]
        self._originals = [
            (data, told) for data, told in read if isinstance(told.ending, Ending)
        ]
        self.wrong = 0
        """How many records were given that were never recorded."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __call__(self, data: bytes) -> None:
        """Check one input, which begins with what kind it is."""
        kind, rest = data[:1], data[1:]
        if kind == DAMAGED and rest:
            original, told = self._originals[rest[0] % len(self._originals)]
            self.check_damaged(told, damage(original, rest[1:]))
        else:
            self.check_forged(rest)

    def read(self, data: bytes) -> Outcome:
        """Read bytes as the file of a cassette."""
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))
        outcome = self._read()
        if isinstance(outcome.ending, CassetteError):
            assert outcome.ending.path == self._path
        return outcome

    def _read(self) -> Outcome:
        records: list[object] = []
        try:
            with CassetteReader(self._path) as reader:
                records.append(reader.request)
                if reader.response is not None:
                    records.append(reader.response)
                records.extend(reader.parts())
                return Outcome(records, reader.ending)
        except CassetteError as error:
            return Outcome(records, error)

    def check_damaged(self, told: Outcome, damaged: bytes) -> None:
        """
        Of a damaged file only what was recorded is given, and no end that isn't its.
        """
        outcome = self.read(damaged)
        expected = told.records[: len(outcome.records)]
        if outcome.records != expected:
            self.wrong += 1
            raise AssertionError("a record is wrong")
        ending = outcome.ending
        if isinstance(ending, Ending) and ending.reason is not EndReason.TRUNCATED:
            assert outcome == told, "it ends as if it were whole"

    def check_forged(self, data: bytes) -> None:
        """Whatever a file holds, all ways to read it say the same of it."""
        outcome = self.read(data)
        parts = [record for record in outcome.records if isinstance(record, Part)]
        offsets = [part.offset_ns for part in parts]
        assert all(earlier <= later for earlier, later in pairwise([0, *offsets]))
        for record in outcome.records:
            if isinstance(record, Response):
                assert 200 <= record.status <= 999
                told = "".join(name + value for name, value in record.headers)
                assert not {"\r", "\n"} & set(told)
        in_pieces = list(_read_in_pieces(data))
        assert outcome.records == in_pieces[: len(outcome.records)]
        self._check_shortcuts(data, outcome)

    def _check_shortcuts(self, data: bytes, outcome: Outcome) -> None:
        find_header(data)
        request = find_request(data)
        if outcome.records and request is not None:
            assert outcome.records[0] == request
        end = read_end(self._path)
        if isinstance(outcome.ending, Ending) and end is not None:
            assert end.ending == outcome.ending
        find_end(data)
        try:
            assert read_request(self._path) is not None
        except CassetteError:
            assert not outcome.records


def _read_in_pieces(data: bytes) -> Iterator[object]:
    """
    Yield what is read of a file that comes in small pieces, but for header and end.
    """
    reader = RecordReader()
    try:
        for at in range(0, len(data), _PIECE_BYTES):
            for record in reader.feed(data[at : at + _PIECE_BYTES]):
                if not isinstance(record, Header):
                    yield record
    except CassetteError:
        return


def check_stream(data: bytes) -> None:
    """
    Read any bytes as a stream of events, which comes in chunks of any lengths.

    Args:
        data: How many chunks, their lengths, and after them the stream.
    """
    lengths = data[1 : 1 + data[0] % 16] if data else b""
    stream = data[1 + len(lengths) :]
    whole = _cut([stream])
    assert b"".join(whole) == stream, "bytes were lost"
    assert _cut(_chunks(stream, lengths)) == whole, "the chunks make a difference"
    limited = _cut(_chunks(stream, lengths), longest_bytes=9)
    assert b"".join(limited) == stream
    assert all(len(event) <= 9 for event in limited)
    for event in whole:
        fields = parse_event(event)
        if fields.data is not None:
            again = parse_event(encode_event(fields.data))
            assert again.data == fields.data


def _chunks(stream: bytes, lengths: bytes) -> Iterator[bytes]:
    at = 0
    for length in lengths:
        yield stream[at : at + length % 32]
        at += length % 32
    for start in range(at, len(stream), 7):
        yield stream[start : start + 7]


def _cut(chunks: Iterator[bytes] | list[bytes], **limits: int) -> list[bytes]:
    splitter = EventSplitter(**limits)
    events = [event for chunk in chunks for event in splitter.feed(chunk)]
    return [*events, splitter.rest]
