from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from streamtape.testing import (
    Reply,
    ReplyEnding,
    error_reply,
    events_reply,
    json_reply,
    message_stream,
    stream_reply,
    text,
)


@pytest.mark.parametrize(
    ("cut_after", "cut_bytes", "left", "ending"),
    [
        pytest.param(None, 0, 0, ReplyEnding.COMPLETE, id="whole"),
        pytest.param(3, 0, 0, ReplyEnding.CUT, id="between-events"),
        pytest.param(3, 10, 10, ReplyEnding.CUT, id="inside-an-event"),
        pytest.param(99, 0, 0, ReplyEnding.COMPLETE, id="after-the-end"),
    ],
)
def test_a_stream_can_be_cut(
    cut_after: int | None, cut_bytes: int, left: int, ending: ReplyEnding
) -> None:
    events = message_stream(text("Hello, world"))

    reply = events_reply(events, cut_after=cut_after, cut_bytes=cut_bytes)

    rest = [] if cut_after is None else events[cut_after:]
    assert reply.body == b"".join(events[:cut_after]) + b"".join(rest)[:left]
    assert reply.ending is ending


def test_the_ending_of_a_cut_stream_can_be_chosen() -> None:
    reply = stream_reply(text("Hi"), cut_after=2, ending=ReplyEnding.RESET)

    assert reply.ending is ReplyEnding.RESET


def test_streams_carry_the_headers_of_the_api() -> None:
    headers = dict(stream_reply(text("Hi"), headers=(("x-more", "1"),)).headers)

    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["request-id"].startswith("req_011C")
    assert headers["anthropic-ratelimit-requests-remaining"] == "49"
    assert "anthropic-organization-id" in headers
    assert headers["x-more"] == "1"


def test_errors_say_whether_to_try_again() -> None:
    reply = error_reply(
        529, "overloaded_error", "Busy", retry_after=0.5, should_retry=False
    )

    headers = dict(reply.headers)
    assert (headers["retry-after"], headers["x-should-retry"]) == ("0.5", "false")
    assert json.loads(reply.body) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Busy", "details": None},
        "request_id": headers["request-id"],
    }


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: stream_reply(text("Hi")), id="stream"),
        pytest.param(lambda: json_reply({"a": 1}), id="json"),
        pytest.param(lambda: error_reply(400, "a", "b"), id="error"),
    ],
)
def test_replies_come_out_the_same(make: Callable[[], Reply]) -> None:
    assert make() == make()
