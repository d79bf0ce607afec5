"""What the value of each record may be; whole files are in test_tape.py."""

from __future__ import annotations

from typing import Any

import pytest

from streamtape.core.format.records import End, Header, Kind, Record, decode_record
from streamtape.core.model import Ending, EndReason, Part, Response

RESPONSE: dict[str, Any] = {
    "headers": [["a", "b"]],
    "offset_ns": 5,
    "reason": "OK",
    "status": 200,
}
END: dict[str, Any] = {
    "body_bytes": 7,
    "detail": "",
    "offset_ns": 9,
    "parts": 1,
    "reason": "complete",
    "summary": {},
}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        pytest.param(Kind.HEADER, {"minor": 3}, Header(minor=3), id="header"),
        pytest.param(
            Kind.HEADER,
            {"minor": 1, "match": [2, bytes(32), "later"]},
            Header(minor=1, match=(2, bytes(32))),
            id="header-with-a-match-key",
        ),
        pytest.param(
            Kind.RESPONSE,
            RESPONSE | {"later": "key"},
            Response(status=200, reason="OK", headers=(("a", "b"),), offset_ns=5),
            id="response-with-a-later-key",
        ),
        pytest.param(Kind.EVENT, [4, b"x", "later"], Part(4, b"x"), id="event"),
        pytest.param(Kind.BODY, [4, b"x"], Part(4, b"x"), id="body"),
        pytest.param(Kind.NOTE, "anything", None, id="note"),
        pytest.param(
            Kind.END,
            END,
            End(
                ending=Ending(reason=EndReason.COMPLETE, offset_ns=9),
                part_count=1,
                body_bytes=7,
                summary={},
            ),
            id="end",
        ),
    ],
)
def test_a_value_becomes_what_it_stands_for(
    kind: Kind, value: object, expected: Record | None
) -> None:
    assert decode_record(kind, value) == expected


@pytest.mark.case(25)
@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        pytest.param(Kind.EVENT, [-1, b""], ValueError, id="time-runs-backwards"),
        pytest.param(Kind.EVENT, [2**62, b""], ValueError, id="time-without-end"),
        pytest.param(Kind.EVENT, [1], LookupError, id="no-bytes"),
        pytest.param(Kind.EVENT, [1.0, b""], TypeError, id="time-as-a-float"),
        pytest.param(Kind.REQUEST, [], TypeError, id="no-map"),
        pytest.param(Kind.HEADER, {}, LookupError, id="no-minor"),
        pytest.param(
            Kind.HEADER, {"minor": 1, "match": b"1"}, TypeError, id="match-no-array"
        ),
        pytest.param(
            Kind.HEADER, {"minor": 1, "match": [1]}, LookupError, id="match-no-key"
        ),
        pytest.param(
            Kind.HEADER,
            {"minor": 1, "match": [1, bytes(31)]},
            ValueError,
            id="match-key-too-short",
        ),
        pytest.param(
            Kind.HEADER,
            {"minor": 1, "match": ["1", bytes(32)]},
            TypeError,
            id="match-version-as-text",
        ),
        pytest.param(
            Kind.HEADER,
            {"minor": 1, "match": [1, "0" * 32]},
            TypeError,
            id="match-key-as-text",
        ),
        pytest.param(
            Kind.RESPONSE,
            RESPONSE | {"headers": [["a", "b\r\nc: d"]]},
            ValueError,
            id="header-with-a-line-break",
        ),
        pytest.param(
            Kind.END, END | {"reason": "truncated"}, ValueError, id="truncated"
        ),
        pytest.param(Kind.END, END | {"reason": "tired"}, ValueError, id="no-reason"),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    kind: Kind, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        decode_record(kind, value)
