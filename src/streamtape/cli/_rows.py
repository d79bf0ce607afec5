"""
What a listing says of one file, without reading more of it than it must.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from streamtape.cli._words import FileState
from streamtape.core.format.records import End
from streamtape.core.model import EndReason, Part, Request
from streamtape.core.streams.messages import StreamSummary, delta_kind
from streamtape.core.streams.sse import parse_event
from streamtape.errors import (
    CassetteError,
    DamagedCassetteError,
    UnsupportedVersionError,
)
from streamtape.library.excerpts import read_end
from streamtape.library.locks import is_locked
from streamtape.library.reader import CassetteReader
from streamtape.library.writer import PART_SUFFIX

_FIRST_PARTS: Final = 64
"""
How many parts are searched for the first token of a file that has an END record.

It is behind ``message_start``, ``content_block_start`` and maybe some pings.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One file of a listing; None is what it does not say.
    """

    name: str
    path: str
    state: EndReason | FileState
    reason: str | None = None
    """Why a file can't be used, or a detail of its ending."""
    recorded_at: str | None = None
    method: str | None = None
    target: str | None = None
    model: str | None = None
    status: int | None = None
    events: int | None = None
    """None where the body is no event stream."""
    body_bytes: int | None = None
    time_to_headers_ns: int | None = None
    ttft_ns: int | None = None
    duration_ns: int | None = None
    stop_reason: str | None = None
    error_type: str | None = None
    output_tokens: int | None = None

    @property
    def is_usable(self) -> bool:
        """
        Whether the file holds something to show.
        """
        return self.method is not None


def read_row(path: Path, name: str) -> Row:
    """
    Look at one file; one that is no sound cassette is a row that says so.

    Where an END record can be found, only it and the first block of the file are
    read, so that damage between them is not seen.
    """
    is_recording = path.suffix == PART_SUFFIX and is_locked(path)
    try:
        return _read_usable(path, name, is_recording=is_recording)
    except CassetteError as error:
        if is_recording:
            return Row(name=name, path=str(path), state=FileState.RECORDING)
        match error:
            case DamagedCassetteError():
                state = FileState.DAMAGED
            case UnsupportedVersionError():
                state = FileState.UNSUPPORTED
            case _:
                state = FileState.NOT_A_CASSETTE
        return Row(name=name, path=str(path), state=state, reason=error.reason)


def _read_usable(path: Path, name: str, *, is_recording: bool) -> Row:
    end = read_end(path)
    with CassetteReader(path) as reader:
        request, response = reader.request, reader.response
        is_stream = response is not None and response.is_event_stream
        parts = reader.parts()
        first = list(_read_to_token(parts)) if is_stream else []
        if end is None:
            end = _read_to_end(reader, chain(first, parts))
    ending, summary = end.ending, end.summary
    stop_reason = _find_str(summary.get("stop_reason"))
    return Row(
        name=name,
        path=str(path),
        state=FileState.RECORDING if is_recording else ending.reason,
        reason=None if is_recording else ending.detail or None,
        recorded_at=reader.recorded_at,
        method=request.method,
        target=request.target,
        model=_find_str(summary.get("model")) or _find_asked_model(request),
        status=None if response is None else response.status,
        events=end.part_count if is_stream else None,
        body_bytes=end.body_bytes,
        time_to_headers_ns=None if response is None else response.offset_ns,
        ttft_ns=_find_ttft(first),
        duration_ns=ending.offset_ns,
        stop_reason=stop_reason,
        error_type=_find_str(summary.get("error_type")),
        # The count of message_start is only that of a beginning.
        output_tokens=None if stop_reason is None else _find_tokens(summary),
    )


def _read_to_token(parts: Iterator[Part]) -> Iterator[Part]:
    """
    Yield the parts up to the one that holds the first token, if it comes soon.
    """
    for part in islice(parts, _FIRST_PARTS):
        yield part
        if _adds_something(part):
            return


def _read_to_end(reader: CassetteReader, parts: Iterable[Part]) -> End:
    """
    Return the END record, or what it would say so far where there is none.
    """
    summary = StreamSummary()
    part_count = body_bytes = 0
    for part in parts:
        summary.feed(part.raw)
        part_count += 1
        body_bytes += len(part.raw)
    if reader.end is not None:
        return reader.end
    return End(
        ending=reader.ending,
        part_count=part_count,
        body_bytes=body_bytes,
        summary={
            "error_type": summary.error_type,
            "model": summary.model,
            "stop_reason": summary.stop_reason,
            "usage": summary.usage,
        },
    )


def _find_ttft(first: Sequence[Part]) -> int | None:
    return first[-1].offset_ns if first and _adds_something(first[-1]) else None


def _adds_something(part: Part) -> bool:
    return delta_kind(parse_event(part.raw)) is not None


def _find_tokens(summary: dict[str, Any]) -> int | None:
    usage = summary.get("usage")
    tokens = usage.get("output_tokens") if isinstance(usage, dict) else None
    return tokens if type(tokens) is int else None


def _find_asked_model(request: Request) -> str | None:
    """
    The model that was asked for, where the answer names none: an error, a count.
    """
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return _find_str(body.get("model")) if isinstance(body, dict) else None


def _find_str(value: object) -> str | None:
    return value if isinstance(value, str) else None
