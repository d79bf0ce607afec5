"""
A cassette that is small enough to flip every bit of it, and what a reader makes of it.
"""

from __future__ import annotations

from pathlib import Path

from streamtape.core.format.frames import TRAILER
from streamtape.core.format.reader import FrameReader
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError
from streamtape.library import CassetteReader

REQUEST = Request(method="POST", target="/v1/messages", body=b"{}")
STREAM = ("content-type", "text/event-stream")
RESPONSE = Response(status=200, reason="OK", headers=(STREAM,), offset_ns=5)
PARTS = (
    Part(7, b"data: a  \n\n"),
    Part(9, b"data: b\r\n\r\n"),
    Part(9, b": c\n\n"),
)
TRUNCATED = "the recorder was stopped before it could write the end"
ENDING = Ending(reason=EndReason.COMPLETE, offset_ns=12)


def record_parts(*parts: Part) -> bytes:
    """Return the bytes of a finished cassette with these parts."""
    recording = Recording(
        clean_request(REQUEST, Secrets()), recorded_at=None, secrets=Secrets()
    )
    packed = recording.begin(RESPONSE)
    for part in parts:
        packed += recording.feed(part.raw, part.offset_ns)
    return packed + recording.end(ENDING.reason, ENDING.offset_ns)


WHOLE = record_parts(*PARTS)
STARTS = [frame.offset for frame in FrameReader().feed(WHOLE[: -TRAILER.size])]
"""Where each frame begins: header, request, response, three events and the end."""
END = STARTS[-1]
UNFINISHED = WHOLE[:END]


def read_what_comes(path: Path) -> tuple[list[object], Ending | CassetteError]:
    """Return the records that a reader gives, and how it ended."""
    records: list[object] = []
    try:
        with CassetteReader(path) as reader:
            records.append(reader.request)
            if reader.response is not None:
                records.append(reader.response)
            records.extend(reader.parts())
            return records, reader.ending
    except CassetteError as error:
        return records, error
