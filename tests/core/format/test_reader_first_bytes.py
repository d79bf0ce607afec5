from __future__ import annotations

import pytest

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.reader import FrameReader
from streamtape.core.format.writer import FrameWriter
from streamtape.errors import NotACassetteError, UnsupportedVersionError


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("start", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(MAGIC[:5], "it ends after 5 bytes", id="within-the-magic"),
        pytest.param(b"\x1f\x8b\x08", "gunzip", id="gzip"),
        pytest.param(b"version https://git-lfs.github.com/", "git lfs pull", id="lfs"),
        pytest.param(b"<<<<<<< HEAD\n", "merge conflict", id="conflict"),
        pytest.param(b"\x89STP1\n\x1a\n", "text conversion", id="crlf-to-lf"),
        pytest.param(b"\x89STP1\r\r\n\x1a\r\n", "text conversion", id="lf-to-crlf"),
        pytest.param(b"\xc2\x89STP1\r\n\x1a\n", "text conversion", id="latin-to-utf8"),
        pytest.param(
            b"\xef\xbf\xbdSTP1\n\x1a\n", "text conversion", id="utf8-replaced"
        ),
        pytest.param(b"\tSTP1\r\n\x1a\n", "text conversion", id="seven-bits"),
        pytest.param(b"\xef\xbb\xbf\xc2\x89STP1\n", "text conversion", id="with-a-bom"),
        pytest.param(MAGIC.decode("latin-1").encode("utf-16"), "text", id="utf-16"),
        pytest.param(b"\x89STP\x1b\r\n\x1a\n", "byte 4 is 0x1b, not 0x31", id="esc"),
        pytest.param(b"\x88STP1\r\n\x1a\n", "byte 0 is 0x88, not 0x89", id="bit"),
        pytest.param(b"\x88STP2\r\n\x1a\n", "text conversion", id="two-bytes"),
    ],
)
def test_what_is_no_cassette_is_told_by_its_first_bytes(
    start: bytes, message: str
) -> None:
    reader = FrameReader()

    def read_all() -> None:
        list(reader.feed(start))
        reader.check_ended_in_magic()

    with pytest.raises(NotACassetteError, match=message):
        read_all()


@pytest.mark.case(28)
@pytest.mark.parametrize("version", "023456789")
def test_a_later_major_version_is_named(version: str) -> None:
    start = MAGIC.replace(b"1", version.encode())

    with pytest.raises(UnsupportedVersionError, match=f"format version {version}"):
        list(FrameReader().feed(start + FrameWriter().pack(1, b"x")))
