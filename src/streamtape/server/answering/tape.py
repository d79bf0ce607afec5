"""
Where one recording goes: its records, in their order, to the file.
"""

from __future__ import annotations

from streamtape.core.model import EndReason, Response
from streamtape.core.recording import Recording
from streamtape.library.writer import CassetteWriter


class Tape:
    """
    A recording and its file. Nothing is written before the answer has begun.
    """

    def __init__(self, recording: Recording, writer: CassetteWriter) -> None:
        self.recording = recording
        self.writer = writer
        self.has_begun = False
        """Whether there is anything that could end."""

    def begin(self, response: Response) -> None:
        """
        Write the head of the answer.
        """
        self.has_begun = True
        self.writer.write(self.recording.begin(response))

    def feed(self, chunk: bytes, offset_ns: int) -> None:
        """
        Write what is known of the body with this chunk, which may be nothing.
        """
        packed = self.recording.feed(chunk, offset_ns)
        if packed:
            self.writer.write(packed)

    def end(self, reason: EndReason, offset_ns: int, detail: str) -> None:
        """
        Write how the answer ended.
        """
        self.writer.write(self.recording.end(reason, offset_ns, detail=detail))
