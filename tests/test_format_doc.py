"""What docs/format.md says is so: its example, its reader and its tables."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from streamtape.core.format.frames import MAGIC, MAX_PAYLOAD_BYTES, TRAILER_MAGIC
from streamtape.core.format.records import Kind
from streamtape.core.model import EndReason

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
GOLDEN: Final = ROOT / "tests" / "data" / "v1"

ReadTape = Callable[[Path], Iterator[tuple[int, Any]]]


def example(name: str) -> str:
    """Return the code block behind the comment that names it."""
    found = re.search(
        rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL
    )
    assert found is not None
    return found[1]


@pytest.fixture(name="read_tape")
def read_tape_of_the_page() -> ReadTape:
    namespace: dict[str, Any] = {}
    exec(example("read_tape"), namespace)
    read_tape: ReadTape = namespace["read_tape"]
    return read_tape


def test_the_bytes_of_the_example_are_those_of_the_file() -> None:
    columns = [line[:50] for line in example("minimal.tape").splitlines()]

    assert bytes.fromhex("".join(columns)) == (GOLDEN / "minimal.tape").read_bytes()


@pytest.mark.parametrize("name", ["minimal", "unknown-frame", "private-frame", "json"])
def test_the_reader_of_the_page_reads_the_golden_files(
    read_tape: ReadTape, name: str
) -> None:
    """Without streamtape, and what the file beside each says."""
    expected = json.loads((GOLDEN / f"{name}.json").read_bytes())
    part_kind = Kind.BODY if name == "json" else Kind.EVENT

    header, request, response, *parts, end = read_tape(GOLDEN / f"{name}.tape")

    assert header == (Kind.HEADER, {"minor": 0})
    body = b64decode(expected["request"]["body"])
    assert request == (Kind.REQUEST, expected["request"] | {"body": body})
    assert response == (Kind.RESPONSE, expected["response"])
    assert parts == [
        (part_kind, [offset_ns, b64decode(raw)]) for offset_ns, raw in expected["parts"]
    ]
    assert end[0] == Kind.END
    assert end[1].items() >= expected["ending"].items()
    assert end[1]["summary"] == expected["summary"]


@pytest.mark.parametrize("name", ["torn", "corrupt"])
def test_the_reader_of_the_page_stops_at_what_is_not_sound(
    read_tape: ReadTape, name: str
) -> None:
    whole = list(read_tape(GOLDEN / "full.tape"))

    records = list(read_tape(GOLDEN / f"{name}.tape"))

    assert records == whole[: len(records)]
    assert len(records) == len(whole) - 4


@pytest.mark.parametrize("name", ["critical-frame", "future"])
def test_the_reader_of_the_page_refuses_what_it_cannot_read(
    read_tape: ReadTape, name: str
) -> None:
    with pytest.raises(AssertionError):
        list(read_tape(GOLDEN / f"{name}.tape"))


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
def test_every_type_is_on_the_page(kind: Kind) -> None:
    assert f"\n| {kind.value} | {kind.name} |" in PAGE
    assert f"\n### {kind.name}\n" in PAGE


@pytest.mark.parametrize("reason", EndReason)
def test_every_reason_that_is_written_is_on_the_page(reason: EndReason) -> None:
    row = f"\n| `{reason.value}` |"

    assert (row in PAGE) is (reason is not EndReason.TRUNCATED)


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"magic   = {MAGIC.hex(' ').upper()}\n" in PAGE
    assert TRAILER_MAGIC == b"STPEND\x0a\x00"
    assert f"1 to {MAX_PAYLOAD_BYTES:,}." in PAGE


def test_a_sentence_has_a_line_of_its_own() -> None:
    """So that a change of the specification is a change of lines."""
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    for line in prose.splitlines():
        if not line.startswith(("|", ">", "-", "#")):
            assert not re.search(r"[a-z)]\. [A-Z]", line), line
