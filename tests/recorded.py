"""Takes of two requests, recorded into a library as a server does it."""

from __future__ import annotations

import json
from pathlib import Path

from streamtape.core.matching.key import match_input_of, request_key
from streamtape.core.matching.names import cassette_stem
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import CassetteWriter, Library, read_cassette


def ask(text: str) -> Request:
    """Return a redacted request that says something."""
    messages = [{"role": "user", "content": text}]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": messages}).encode()
    return clean_request(
        Request(method="POST", target="/v1/messages", body=body), Secrets()
    )


HELLO, BYE = ask("Hello"), ask("Bye")
HELLO_KEY, BYE_KEY = request_key(HELLO), request_key(BYE)
HELLO_STEM = cassette_stem(match_input_of(HELLO))


def begin(
    folder: Path, request: Request = HELLO, *, answer: str = "{}"
) -> tuple[CassetteWriter, Recording]:
    """Record all but the end of an answer, and leave its part open."""
    recording = Recording(
        clean_request(request, Secrets()), recorded_at=None, secrets=Secrets()
    )
    writer = CassetteWriter(folder, cassette_stem(match_input_of(request)))
    writer.write(
        recording.begin(Response(status=200, reason="OK", headers=(), offset_ns=1))
    )
    writer.write(recording.feed(answer.encode(), 2))
    return writer, recording


def record(
    library: Library,
    request: Request = HELLO,
    *,
    answer: str = "{}",
    folder: Path | None = None,
    ended: EndReason = EndReason.COMPLETE,
    replace: bool = False,
) -> Path:
    """Record an answer to its end and return its cassette."""
    writer, recording = begin(folder or library.folder, request, answer=answer)
    writer.write(recording.end(ended, 3))
    path = library.commit(writer, request_key(request), replace=replace)
    assert path is not None
    return path


def answers(library: Library, key: str = HELLO_KEY) -> list[str]:
    """Return what a library has recorded of a request, in order."""
    return [read_cassette(path).body.decode() for path in library.takes(key)]


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())
