from __future__ import annotations

import tracemalloc

import pytest

from streamtape.core.format.frames import MAGIC
from streamtape.core.format.reader import RecordReader
from streamtape.core.format.records import Kind, Record
from streamtape.core.format.writer import FrameWriter
from streamtape.errors import DamagedCassetteError


def read(*blocks: bytes) -> list[Record]:
    reader = RecordReader()
    return [record for block in blocks for record in reader.feed(block)]


def bomb(start: bytes, filling: bytes) -> bytes:
    """Make a value of 2 MiB that says it holds something, and does."""
    return b"\x82\xa5minor\0\xa1a" + start + filling * (2 * 1024 * 1024 // len(filling))


@pytest.mark.case(21, 25)
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(bomb(b"\xdd\0\x20\0\0", b"\x90"), id="lists"),
        pytest.param(bomb(b"\xdd\0\x20\0\0", b"\x80"), id="maps"),
        pytest.param(bomb(b"\xdd\0\x10\0\0", b"\xa1x"), id="texts"),
        pytest.param(bomb(b"\xdd\0\x0a\xaa\xaa", b"\xcd\xff\xfe"), id="numbers"),
        pytest.param(bomb(b"", b"\xdd\0\x1f\xff\xff"), id="lists-of-millions"),
        pytest.param(bomb(b"", b"\x91"), id="deep"),
        pytest.param(b"\xdd\0\0\x0f\xff" * 800, id="small"),
    ],
)
def test_nothing_large_comes_out_of_what_is_small(payload: bytes) -> None:
    """A list of 16 million empty lists would take a gigabyte."""
    data = MAGIC + FrameWriter().pack(Kind.HEADER, payload)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedCassetteError, match="a HEADER frame does not hold"):
            read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 6 * len(data) + 32 * 1024 * 1024
