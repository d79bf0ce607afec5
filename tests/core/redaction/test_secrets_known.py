"""Secrets that are known exactly: found whole, in lines, and where one only begins."""

from __future__ import annotations

import base64

import pytest

from streamtape.core.redaction.secrets import (
    BEGINNING_BYTES,
    KnownSecrets,
    Spelled,
)

KEY = "corp7-alpha-bravo"
LINES = base64.b64encode(f"{'a' * 40}{KEY}{'b' * 90}".encode()).decode()


def known(*values: str) -> KnownSecrets:
    return KnownSecrets.of(tuple(map(Spelled.of, values)))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("it is corp7-al", 6),
        ("it is corp", 6),
        ("it is cor", None),
        ("it is corp7-al.", None),
        ("it is corp7-alpha-bravo", None),
        ("it is corp7-alpha-bravocorp", 23),
    ],
)
def test_an_unfinished_secret_is_found_at_the_end_alone(
    text: str, start: int | None
) -> None:
    found = known(KEY, "other-secret-1").find_unfinished(
        text.encode(), shortest=BEGINNING_BYTES
    )

    assert found == start


def test_how_much_of_an_unfinished_secret_has_to_be_there_can_be_said() -> None:
    assert known(KEY).find_unfinished(b"it is corp7", shortest=8) is None
    assert known(KEY).find_unfinished(b"it is corp7-al", shortest=8) == 6
    assert known().find_unfinished(b"it is corp7", shortest=8) is None


@pytest.mark.parametrize("width", [57, 60, 64, 72])
def test_in_several_lines_a_secret_is_found_as_it_stands(width: int) -> None:
    lines = [LINES[at : at + width] for at in range(0, len(LINES), width)]
    text = "\r\n".join(lines).encode()
    secrets = known(KEY)

    [found] = secrets.spellings_in(text, has_run=True)

    assert found in text
    assert found.replace(b"\r\n", b"") in secrets.secrets[0].in_base64
    place = text.index(found)
    for size in range(8, len(found)):
        cut = text[: place + size]
        assert secrets.find_unfinished(cut, shortest=BEGINNING_BYTES) == place


def test_without_a_secret_nothing_is_found() -> None:
    assert known().spellings_in(LINES.encode(), has_run=True) == []
    assert known().beginnings.search(b"a sk-")
    assert not known().beginnings.search(b"a corp")
    assert known(KEY).beginnings.search(b"a corp")
