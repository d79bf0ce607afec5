"""
Secrets in a whole file: in what it says, in what it doesn't say; in a truncated one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streamtape.core.redaction.secrets import Secrets
from streamtape.errors import CassetteError
from streamtape.library.check import find_leaks, find_raw_kinds
from taping import hello, write_tape

KEY = "corp.7f3a-QQ/secret+value=1"
SHAPED = "sk-ant-api03-" + "Qw7eRt9yUi" * 4


def test_a_cassette_of_ours_has_no_leaks(tmp_path: Path) -> None:
    path = write_tape(tmp_path, hello("It is ", SHAPED[:20], SHAPED[20:], "."))

    assert find_leaks(path, Secrets()) == []
    assert find_raw_kinds(path, Secrets()) == []


def test_a_secret_that_was_seen_later_is_found(tmp_path: Path) -> None:
    """In whatever pieces it is."""
    secrets = Secrets()
    path = write_tape(tmp_path, hello("It is ", KEY[:9], KEY[9:]))
    assert find_leaks(path, Secrets()) == []

    secrets.add(KEY)

    [leak] = find_leaks(path, secrets)
    assert str(leak) == "a secret of this run in a text that comes in pieces"
    assert KEY not in str(leak)


def test_what_no_record_accounts_for_is_looked_at(tmp_path: Path) -> None:
    path = write_tape(tmp_path, hello("Hello"))
    path.write_bytes(path.read_bytes() + SHAPED.encode())

    [leak] = find_leaks(path, Secrets())

    assert str(leak) == "an Anthropic key in the file, outside of what it says"
    assert find_raw_kinds(path, Secrets()) == ["an Anthropic key"]


def test_the_prefix_of_a_damaged_cassette_is_looked_at(tmp_path: Path) -> None:
    secrets = Secrets()
    path = write_tape(tmp_path, hello(KEY, "and more", "and more"))
    secrets.add(KEY)
    path.write_bytes(path.read_bytes()[:-150])

    leaks = find_leaks(path, secrets)

    assert [leak.kind for leak in leaks] == ["a secret of this run"]


@pytest.mark.parametrize("written", [None, b"", b"no cassette"])
def test_what_is_no_cassette_is_refused(tmp_path: Path, written: bytes | None) -> None:
    path = tmp_path / "x.tape"
    if written is not None:
        path.write_bytes(written)

    with pytest.raises(CassetteError):
        find_leaks(path, Secrets())
