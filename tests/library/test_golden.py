"""
Cassettes of every released format are read for ever, as they were recorded.

The files are never made anew; ``scripts/make_golden.py`` made them once.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any, Final

import pytest

from streamtape import errors
from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.library import CassetteReader, read_cassette
from streamtape.library.reader import read_end

DATA: Final = Path(__file__).parents[1] / "data"
TAPES: Final = sorted(DATA.glob("v*/*.tape"))


def expectation(tape: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(tape.with_suffix(".json").read_bytes())
    return loaded


def name(tape: Path) -> str:
    return f"{tape.parent.name}-{tape.stem}"


def as_tuples(pairs: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in pairs)


_REASONS = {"torn": "truncated"}
"""What has another name since the golden set was written; no file holds it."""


@pytest.mark.case(33)
def test_the_set_is_there() -> None:
    """The tests below are not passed for want of files."""
    assert {tape.stem for tape in TAPES if tape.parent.name == "v1"} >= {
        "corrupt",
        "critical-frame",
        "full",
        "future",
        "json",
        "minimal",
        "private-frame",
        "torn",
        "unknown-frame",
    }


@pytest.mark.case(28, 33)
@pytest.mark.parametrize("tape", TAPES, ids=name)
def test_a_golden_cassette_is_read_as_ever(tape: Path) -> None:
    expected = expectation(tape)
    if "error" in expected:
        with pytest.raises(getattr(errors, expected["error"])) as caught:
            read_cassette(tape)
        assert expected["message"] in str(caught.value)
        return

    cassette = read_cassette(tape)

    request, response = expected["request"], expected["response"]
    reason = expected["ending"]["reason"]
    assert cassette.recorded_at == expected["recorded_at"]
    assert cassette.request == Request(
        method=request["method"],
        target=request["target"],
        headers=as_tuples(request["headers"]),
        body=b64decode(request["body"]),
    )
    assert cassette.response == Response(
        status=response["status"],
        reason=response["reason"],
        headers=as_tuples(response["headers"]),
        offset_ns=response["offset_ns"],
    )
    assert cassette.parts == tuple(
        Part(offset_ns, b64decode(raw)) for offset_ns, raw in expected["parts"]
    )
    assert cassette.ending == Ending(
        reason=EndReason(_REASONS.get(reason, reason)),
        offset_ns=expected["ending"]["offset_ns"],
        detail=expected["ending"]["detail"],
    )


@pytest.mark.case(33)
@pytest.mark.parametrize("tape", TAPES, ids=name)
def test_the_end_of_a_golden_cassette_is_found(tape: Path) -> None:
    """By a listing, which reads nothing else; it doesn't look at what is damaged."""
    expected = expectation(tape)
    if "error" in expected:
        return

    end = read_end(tape)

    summary = None if end is None else end.summary
    assert summary == expected["summary"]


@pytest.mark.parametrize("tape", TAPES, ids=name)
def test_a_reader_says_how_far_it_got(tape: Path) -> None:
    """What it gave before an error is sound."""
    expected = expectation(tape)
    if expected.get("error") != "DamagedCassetteError":
        return

    whole = expectation(tape.with_stem("full"))
    given: list[Part] = []
    with CassetteReader(tape) as reader, pytest.raises(errors.DamagedCassetteError):
        given.extend(reader.parts())

    assert given
    assert given == [
        Part(at_ns, b64decode(raw)) for at_ns, raw in whole["parts"][: len(given)]
    ]
