"""The keys that stand in the files: what they spare, and that none is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.records import Header
from streamtape.core.format.writer import RecordWriter
from streamtape.core.matching.key import KEY_VERSION, request_key
from streamtape.core.model import EndReason, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets
from streamtape.library import Library
from streamtape.library.reader import read_request

HELLO = clean_request(
    Request(method="POST", target="/v1/messages", body=b"hello"), Secrets()
)
OTHER = clean_request(
    Request(method="POST", target="/v1/messages", body=b"other"), Secrets()
)
HELLO_KEY, OTHER_KEY = request_key(HELLO), request_key(OTHER)


def much_later() -> int:
    """Return a wall clock by which every file has been there for long."""
    return 2**62


def never(request: Request) -> str:
    raise AssertionError(f"the key of {request.body!r} was computed")


def tape(path: Path, *, key: str | None = HELLO_KEY) -> Path:
    """Write a cassette of ``hello`` that says it has some key."""
    recording = Recording(HELLO, recorded_at=None, match_key=key, secrets=Secrets())
    head = Response(status=200, reason="OK", headers=(), offset_ns=1)
    packed = recording.begin(head) + recording.feed(b"{}\n", 2)
    path.write_bytes(packed + recording.end(EndReason.COMPLETE, 3))
    return path


def test_a_stored_key_spares_the_computing(tmp_path: Path) -> None:
    path = tape(tmp_path / "a.tape")
    library = Library(tmp_path, never, wall_ns=much_later)
    library.refresh()

    assert library.known_takes(HELLO_KEY) == [path]


def test_a_stored_key_that_is_wrong_answers_nothing(tmp_path: Path) -> None:
    """
    It is believed until the cassette is opened; then what it does hold is found.
    """
    path = tape(tmp_path / "a.tape", key=OTHER_KEY)
    library = Library(tmp_path, wall_ns=much_later)
    library.refresh()

    assert library.known_takes(OTHER_KEY) == [path]
    assert library.takes(OTHER_KEY) == []
    assert library.known_takes(OTHER_KEY) == []
    assert library.takes(HELLO_KEY) == [path]
    assert not library.has_whole(OTHER_KEY)


def test_a_wrong_key_takes_no_place_from_a_right_one(tmp_path: Path) -> None:
    tape(tmp_path / "a.tape", key=OTHER_KEY)
    right = tape(tmp_path / "b.tape")

    assert Library(tmp_path).takes(OTHER_KEY) == []
    assert Library(tmp_path).takes(HELLO_KEY) == [right]


@pytest.mark.parametrize(
    "stored",
    [None, (KEY_VERSION + 1, bytes.fromhex(OTHER_KEY))],
    ids=["none", "of-another-version"],
)
def test_a_key_that_says_nothing_is_computed(
    tmp_path: Path, stored: tuple[int, bytes] | None
) -> None:
    writer = RecordWriter()
    head = writer.header(Header(match=stored)) + writer.request(HELLO)
    path = tmp_path / "a.tape"
    path.write_bytes(MAGIC + head)

    assert Library(tmp_path).takes(HELLO_KEY) == [path]


def test_under_other_rules_no_stored_key_counts(tmp_path: Path) -> None:
    path = tape(tmp_path / "a.tape")
    library = Library(tmp_path, lambda _: OTHER_KEY, uses_stored_keys=False)

    assert library.takes(HELLO_KEY) == []
    assert library.takes(OTHER_KEY) == [path]


def test_a_file_without_a_request_is_left_out_when_it_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first bytes were sound, so nothing was said before."""
    path = tape(tmp_path / "a.tape")
    path.write_bytes(path.read_bytes()[:100])
    library = Library(tmp_path, wall_ns=much_later)
    library.refresh()
    assert caplog.records == []

    assert library.takes(HELLO_KEY) == []
    assert library.takes(HELLO_KEY) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"left out: {path}: " in caplog.text


def test_the_key_of_a_part_is_computed(tmp_path: Path) -> None:
    """Its head may be all that there is of it."""
    whole = tape(tmp_path / "a.tape").read_bytes()
    (tmp_path / "a.tape").unlink()
    (tmp_path / "a.1.part").write_bytes(whole[:100])
    library = Library(tmp_path)
    library.refresh()

    assert library.infos() == []
    assert library.takes(HELLO_KEY) == []


def test_a_long_request_is_read_whole(tmp_path: Path) -> None:
    long = clean_request(
        Request(method="POST", target="/v1/messages", body=b"long " * 100_000),
        Secrets(),
    )
    key = request_key(long)
    recording = Recording(long, recorded_at=None, match_key=key, secrets=Secrets())
    path = tmp_path / "long.tape"
    path.write_bytes(
        recording.begin(Response(status=200, reason="OK", headers=(), offset_ns=1))
    )
    library = Library(tmp_path, wall_ns=much_later)

    assert library.takes(key) == [path]
    assert read_request(path) == long
