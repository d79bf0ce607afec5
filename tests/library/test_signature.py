"""Which signatures tell of every later change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamtape.library.signature import is_settled, signature_of

AT_NS = 1_700_000_000_123_456_789
WHOLE_NS = 1_700_000_000_000_000_000
MS = 1_000_000


@pytest.mark.parametrize(
    ("changed_ns", "now_ns", "expected"),
    [
        pytest.param(AT_NS, AT_NS, False, id="now"),
        pytest.param(AT_NS, AT_NS + 20 * MS, False, id="a-tick-ago"),
        pytest.param(AT_NS, AT_NS + 100 * MS, True, id="a-while-ago"),
        pytest.param(AT_NS + MS, AT_NS, False, id="in-the-future"),
        pytest.param(WHOLE_NS, WHOLE_NS + 1500 * MS, False, id="in-whole-seconds"),
        pytest.param(WHOLE_NS, WHOLE_NS + 2500 * MS, True, id="seconds-ago"),
        pytest.param(AT_NS, 0, False, id="no-clock"),
    ],
)
def test_a_signature_is_settled_when_its_tick_is_over(
    changed_ns: int, now_ns: int, expected: bool
) -> None:
    for times in ((changed_ns, 1), (1, changed_ns), (changed_ns, changed_ns)):
        assert is_settled((7, *times, 9), now_ns) is expected


def test_what_is_not_there_has_a_signature_that_it_cannot_keep(tmp_path: Path) -> None:
    assert signature_of(tmp_path / "gone") == ()
    assert is_settled((), 0)


def test_a_signature_tells_a_change_of_time_size_or_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    signatures = []
    for data in (b"1", b"12"):
        path.write_bytes(data)
        for at_ns in (AT_NS, AT_NS + 1000):
            os.utime(path, ns=(at_ns, at_ns))
            signatures.append(signature_of(path))
    other.write_bytes(b"12")
    os.utime(other, ns=(AT_NS, AT_NS))
    other.replace(path)
    signatures.append(signature_of(path))

    assert len(set(signatures)) == 5
    assert signatures[-1][-1] == 2


def test_a_signature_tells_a_change_whose_time_was_put_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    before = path.stat()
    signature = signature_of(path)
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        # Until the next tick of the file system.
        path.write_bytes(b"2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert signature_of(path) != signature
