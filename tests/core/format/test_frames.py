from __future__ import annotations

from crafting import renumber
from streamtape.core.format.frames import HEAD, MAGIC, Frame, find_frame
from streamtape.core.format.writer import FrameWriter


def test_the_magic_betrays_every_text_conversion() -> None:
    assert MAGIC == b"\x89STP1\r\n\x1a\n"
    for changed in (
        MAGIC.replace(b"\r\n", b"\n"),
        MAGIC.replace(b"\n", b"\r\n"),
        MAGIC.decode("latin-1").encode(),
        MAGIC.decode(errors="replace").encode(),
        bytes(byte & 0x7F for byte in MAGIC),
        MAGIC.partition(b"\x1a")[0],
    ):
        assert changed != MAGIC


def test_a_frame_is_found_on_its_own() -> None:
    """Whatever its number, and only where it begins and is whole."""
    packed = renumber(FrameWriter().pack(1, b"abc"), 77)

    assert find_frame(b"xx" + packed, 2) == Frame(1, 0, b"abc", 2)
    assert find_frame(packed, 1) is None
    assert find_frame(packed[:-1]) is None
    assert find_frame(packed[:5]) is None
    assert find_frame(HEAD.pack(0, 1, 0, 0, 0)) is None
