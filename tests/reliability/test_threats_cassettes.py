"""
A cassette that a stranger made can't put a header, a status or an answer of its own
between ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

import streamtape
from crafting import HEADER, REQUEST_FIELDS, RESPONSE_FIELDS, craft
from e2e.wire import ask
from proofs import Trials
from streamtape.core.format.records import Kind

SMUGGLED: Final = "x\r\nSet-Cookie: smuggled=1\r\n\r\nHTTP/1.1 200 OK"

HEADERS: Final[dict[str, list[Any]]] = {
    "line-break-in-a-value": [["request-id", SMUGGLED]],
    "line-feed-in-a-value": [["request-id", "x\nSet-Cookie: smuggled=1"]],
    "return-in-a-value": [["request-id", "x\rSet-Cookie: smuggled=1"]],
    "nul-in-a-value": [["request-id", "x\0smuggled"]],
    "line-break-in-a-name": [["x-ratelimit-a\r\nSet-Cookie", "smuggled=1"]],
    "colon-in-a-name": [["x-ratelimit-a: smuggled=1\r\nx", "1"]],
}

RESPONSES: Final[dict[str, dict[str, Any]]] = {
    **{name: {"headers": headers} for name, headers in HEADERS.items()},
    "line-break-in-the-reason": {"reason": SMUGGLED},
    "a-status-of-one-digit": {"status": 1},
    "a-status-of-1xx": {"status": 101},
    "a-long-status": {"status": 99999},
}


def write_crafted(folder: Path, **response: Any) -> None:
    """Make a cassette that verifies, and answers ``POST /``."""
    raw = craft(
        (Kind.HEADER, HEADER),
        (Kind.REQUEST, REQUEST_FIELDS),
        (Kind.RESPONSE, {**RESPONSE_FIELDS, **response}),
        (Kind.EVENT, [10, b"data: hello\n\n"]),
    )
    (folder / "crafted-12345678.tape").write_bytes(raw)


@pytest.mark.case(53)
def test_a_crafted_head_is_refused(tmp_path: Path, trials: Trials) -> None:
    for name, response in RESPONSES.items():
        folder = tmp_path / name
        folder.mkdir()
        write_crafted(folder, **response)
        with streamtape.replay(folder, speed="instant") as replay:
            answer = ask(replay.base_url, target="/", body=b"{}")
        trials.ran += 1
        assert answer.status == 500, name
        assert json.loads(answer.body)["error"]["type"] == "api_error"
        assert answer.header("set-cookie") is None


SILENT: Final = {
    "set-cookie": "smuggled=1",
    "access-control-allow-origin": "https://evil.example",
    "content-security-policy": "smuggled",
    "location": "https://evil.example/",
    "transfer-encoding": "gzip",
    "content-length": "1",
    "connection": "close, x-smuggled",
    "refresh": "0; url=https://evil.example/",
    "x-streamtape": "smuggled",
    "x-smuggled": "smuggled",
}


def test_headers_that_no_api_needs_are_not_replayed(tmp_path: Path) -> None:
    write_crafted(tmp_path, headers=[*RESPONSE_FIELDS["headers"], *SILENT.items()])
    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, target="/", body=b"{}")

    assert answer.status == 200
    assert answer.body == b"data: hello\n\n"
    assert answer.header("x-streamtape") == "replayed"
    told = dict(answer.headers)
    assert not any(told.get(name) == value for name, value in SILENT.items())
    assert "evil.example" not in str(answer.headers)
    assert "smuggled" not in str(answer.headers)
