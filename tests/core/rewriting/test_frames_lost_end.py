from __future__ import annotations

import pytest

from crafting import REQUEST
from streamtape.core.model import Headers, Part, Request, Response
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.rewriting.frames import LostEnd
from streamtape.testing import MODEL, message_json, message_stream, text

STREAM = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/problem+json; charset=utf-8"),)
PLAIN = (("content-type", "text/plain"),)
OPENAI = b'data: {"choices": []}\n\n'


def follow(
    headers: Headers, *raws: bytes, status: int = 200, request: Request = REQUEST
) -> LostEnd:
    lost = LostEnd(
        request,
        Response(status=status, reason="", headers=headers, offset_ns=3),
        Secrets(),
    )
    for i, raw in enumerate(raws):
        lost.feed(Part(i + 5, raw))
    return lost


@pytest.mark.parametrize(
    ("headers", "raws", "is_over"),
    [
        (STREAM, message_stream(text("Hi")), True),
        (STREAM, message_stream(text("Hi"))[:-1], False),
        (STREAM, [b'event: error\ndata: {"error": {}}\n\n'], True),
        (STREAM, [], False),
        (STREAM, [OPENAI, b"data: [DONE]\n\n"], True),
        (STREAM, [OPENAI], False),
        (JSON, [b'{"a": ', b"1}"], True),
        (JSON, [b'{"a": '], False),
        (JSON, [], False),
        (PLAIN, [b"all or not"], False),
    ],
    ids=[
        "its-last-word",
        "before-its-last-word",
        "an-error",
        "no-event",
        "the-last-word-of-others",
        "a-stream-of-others",
        "whole-json",
        "half-json",
        "no-json",
        "text",
    ],
)
def test_what_is_there_tells_whether_it_is_all(
    headers: Headers, raws: list[bytes], is_over: bool
) -> None:
    assert follow(headers, *raws).is_over is is_over


def test_an_answer_that_has_no_body_is_whole() -> None:
    head = Request(method="HEAD", target="/")

    assert follow(PLAIN, status=204).is_over
    assert follow(JSON, request=head).is_over
    assert not follow(PLAIN).is_over


def test_the_summary_is_that_of_a_recorder() -> None:
    usage = {"output_tokens": 7}
    stream = message_stream(text("Hi"), usage=usage)

    told = follow(STREAM, *stream).summarise()

    assert told["model"] == MODEL
    assert told["stop_reason"] == "end_turn"
    assert told["usage"]["output_tokens"] == 7
    assert follow(JSON, message_json(text("Hi"))).summarise()["model"] == MODEL
    assert follow(PLAIN, b"x").summarise() == {}


def test_the_summary_of_a_beginning_says_what_is_known() -> None:
    told = follow(STREAM, *message_stream(text("Hi"))[:3]).summarise()

    assert told["model"] == MODEL
    assert "stop_reason" not in told
