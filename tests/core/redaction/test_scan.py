"""The second look for keys: at what was written, whoever wrote it."""

from __future__ import annotations

import pytest

from streamtape.core.model import Ending, EndReason, Part, Request, Response
from streamtape.core.redaction.scan import (
    JoinedTexts,
    Leak,
    LeakScanner,
    RawScanner,
    find_kinds,
)
from streamtape.core.redaction.secrets import Secrets
from streamtape.testing import api_event

SECRET = "Qw7eRt9yUi" * 4
KEY = f"sk-ant-api03-{SECRET}"
KIND = "an Anthropic key"
STREAM = ("content-type", "text/event-stream")


def delta(text: str) -> Part:
    data = {"type": "text_delta", "text": text}
    raw = api_event({"type": "content_block_delta", "index": 0, "delta": data})
    return Part(offset_ns=1, raw=raw)


def scan(
    *parts: Part,
    target: str = "/v1/messages",
    headers: tuple[tuple[str, str], ...] = (),
    answered: tuple[tuple[str, str], ...] = (STREAM,),
    body: bytes = b"",
    detail: str = "",
) -> list[str]:
    scanner = LeakScanner(Secrets())
    scanner.request(Request(method="POST", target=target, headers=headers, body=body))
    scanner.response(Response(status=200, reason="OK", headers=answered, offset_ns=1))
    for part in parts:
        scanner.part(part)
    ending = Ending(reason=EndReason.COMPLETE, offset_ns=2, detail=detail)
    scanner.end(ending, {})
    return [str(leak) for leak in scanner.leaks()]


def test_what_is_clean_has_no_leaks() -> None:
    parts = [delta("Hello "), delta("sk-ant-[redacted]"), delta(" task-force")]
    kept = (("anthropic-version", "2000-01-01"), ("x-api-key", "[redacted]"))

    assert scan(*parts, headers=kept, body=b'{"a": "\\u002d"}') == []


@pytest.mark.parametrize(
    ("planted", "where"),
    [
        ({"target": f"/v1/{KEY}"}, "the request's target"),
        ({"headers": (("x-api-key", KEY),)}, "request header x-api-key"),
        ({"body": f'"{KEY}"'.encode()}, "the request's body"),
        ({"body": f'"{KEY}"'.replace("-", "\\u002d").encode()}, "the request's body"),
        ({"answered": (STREAM, ("request-id", KEY))}, "response header request-id"),
        ({"detail": f"no {KEY}"}, "the ending"),
    ],
)
def test_each_place_of_a_cassette_is_looked_at(
    planted: dict[str, object], where: str
) -> None:
    """What is told says where, and nothing of the key."""
    assert scan(**planted) == [f"{KIND} in {where}"]  # type: ignore[arg-type]  # Mixed.


def test_a_header_that_is_not_kept_is_a_leak_whatever_it_holds() -> None:
    found = scan(answered=(STREAM, ("set-cookie", "a=b")))

    assert found == ["a value that is not kept in response header set-cookie"]


@pytest.mark.case(72)
@pytest.mark.parametrize("cut", [3, 9, 25])
def test_a_key_in_pieces_is_found(cut: int) -> None:
    found = scan(delta(KEY[:cut]), delta(KEY[cut:]), delta("."))

    assert f"{KIND} in " in found[0]


def test_a_key_in_chunks_is_found() -> None:
    chunks = [Part(offset_ns=1, raw=each.encode()) for each in (KEY[:9], KEY[9:])]

    [found] = scan(*chunks, answered=())

    assert found == f"{KIND} in a text that comes in pieces"


def test_a_secret_of_this_run_is_named_so() -> None:
    secrets = Secrets()
    secrets.add("corp.7f3a-QQ/secret")

    assert find_kinds(b'"corp.7f3a-QQ\\/secret"', secrets) == ["a secret of this run"]
    assert find_kinds(b'"corp\\u002e7f3a\\u002dQQ/secret"', secrets) == [
        "a secret of this run"
    ]


@pytest.mark.parametrize("at", [0, 500, 990, 1008, 1024, 3000])
def test_a_key_over_two_blocks_is_found_once(at: int) -> None:
    data = (b"\x00a b" * 1000)[:at] + b" " + KEY.encode() + b" c" * 1000
    scanner = RawScanner(Secrets())
    for start in range(0, len(data), 1024):
        scanner.feed(data[start : start + 1024])

    assert scanner.kinds == [KIND]


def test_joined_texts_stay_small_and_find_what_is_far_in() -> None:
    texts = JoinedTexts(Secrets())
    for number in range(3000):
        texts.feed("one", b"a word " * 50)
        texts.feed(number, b"b")
    texts.feed("one", KEY[:20].encode())
    texts.feed("two", b"c")
    texts.feed("one", KEY[20:].encode())

    assert texts.find_kinds() == [KIND]


def test_many_leaks_are_told_up_to_a_hundred() -> None:
    assert len(scan(*[delta(KEY)] * 200)) == 100


def test_a_leak_says_what_and_where() -> None:
    assert str(Leak(KIND, "event 12")) == "an Anthropic key in event 12"
