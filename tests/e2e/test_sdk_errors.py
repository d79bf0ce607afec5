"""Errors and retries through the real SDK: the same exceptions, in the same order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anthropic
import pytest
from anthropic.types import MessageParam

import streamtape
from e2e.runs import read_library, run_thrice
from streamtape.testing import (
    INSTANT,
    MODEL,
    FakeUpstream,
    Reply,
    ReplyEnding,
    error_reply,
    json_reply,
    message_json,
    raw_reply,
    stream_reply,
    text,
)

Caught: TypeAlias = tuple[type[Exception], int, str | None, str, str | None, object]

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
SOON = 0.001
"""A retry-after that keeps nobody waiting, in seconds."""

OVERLOADED = error_reply(529, "overloaded_error", "Overloaded", retry_after=SOON)
ANSWER = json_reply(message_json(text("At last.")))


def caught_by(reply_to: Callable[[anthropic.Anthropic], object], url: str) -> Caught:
    """Return what an application can see of the error."""
    with (
        anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as info,
    ):
        reply_to(client)
    error = info.value
    return (
        type(error),
        error.status_code,
        error.request_id,
        error.message,
        error.response.headers.get("retry-after"),
        error.body,
    )


def create(client: anthropic.Anthropic) -> object:
    return client.messages.create(model=MODEL, max_tokens=10, messages=HELLO)


def stream(client: anthropic.Anthropic) -> object:
    with client.messages.stream(model=MODEL, max_tokens=10, messages=HELLO) as events:
        return events.get_final_message()


@pytest.mark.case(45)
@pytest.mark.parametrize("call", [create, stream])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            error_reply(400, "invalid_request_error", "max_tokens: too small"),
            anthropic.BadRequestError,
            id="400",
        ),
        pytest.param(
            error_reply(401, "authentication_error", "invalid key"),
            anthropic.AuthenticationError,
            id="401",
        ),
        pytest.param(
            error_reply(413, "request_too_large", "Request too large."),
            anthropic.ContentTooLargeError,
            id="413",
        ),
        pytest.param(
            error_reply(429, "rate_limit_error", "Slow down.", retry_after=31),
            anthropic.RateLimitError,
            id="429",
        ),
        pytest.param(
            error_reply(504, "timeout_error", "Too slow.", should_retry=True),
            anthropic.GatewayTimeoutError,
            id="504",
        ),
        pytest.param(OVERLOADED, anthropic.OverloadedError, id="529"),
        pytest.param(
            raw_reply(
                b'event: error\ndata: {"type":"error"}\n\n',
                status=529,
                headers=(("request-id", "req_1"),),
            ),
            anthropic.OverloadedError,
            id="529-with-a-stream",
        ),
        pytest.param(
            raw_reply(b"<h1>Bad gateway</h1>", status=502, content_type="text/html"),
            anthropic.InternalServerError,
            id="502-of-another-proxy",
        ),
    ],
)
def test_an_error_is_the_same_exception(
    call: Callable[[anthropic.Anthropic], object],
    reply: Reply,
    expected: type[Exception],
    tmp_path: Path,
) -> None:
    # At another speed the wait that an error names is another one, too.
    runs = run_thrice(lambda url: caught_by(call, url), [reply], tmp_path, speed=1)

    assert runs.straight[0] is expected
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    assert len(runs.requests) == 1
    assert runs.counts == {"replayed": 1}


@pytest.mark.case(44)
@pytest.mark.parametrize("name", ["error-midway", "error-first"])
def test_an_error_in_the_stream_is_the_same_exception(
    name: str, tmp_path: Path
) -> None:
    def ask(client: anthropic.Anthropic) -> object:
        with client.messages.stream(
            model=MODEL,
            max_tokens=10,
            messages=[{"role": "user", "content": f"[{name}]"}],
        ) as events:
            return events.get_final_message()

    runs = run_thrice(lambda url: caught_by(ask, url), None, tmp_path)

    assert runs.straight[:2] == (anthropic.APIStatusError, 200)
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight


@pytest.mark.parametrize("name", ["cut", "reset", "eof"])
def test_a_broken_stream_breaks_alike_for_the_application(
    name: str, tmp_path: Path
) -> None:
    """
    It gets the same events and then the same exception, or none where it ends early.
    """

    def use(base_url: str) -> tuple[list[object], type[Exception] | None]:
        events: list[object] = []
        with (
            anthropic.Anthropic(base_url=base_url, api_key="k") as client,
            client.messages.create(
                model=MODEL,
                max_tokens=10,
                messages=[{"role": "user", "content": f"[{name}]"}],
                stream=True,
            ) as stream,
        ):
            try:
                events += stream
            except Exception as error:
                return events, type(error)
        return events, None

    runs = run_thrice(use, None, tmp_path)

    events, error = runs.straight
    assert events
    assert (error is None) == (name == "eof")
    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight


def test_retries_get_the_recorded_answers_in_their_order(tmp_path: Path) -> None:
    def use(base_url: str) -> object:
        with anthropic.Anthropic(base_url=base_url, api_key="k") as client:
            response = client.messages.with_raw_response.create(
                model=MODEL, max_tokens=10, messages=HELLO
            )
            return response.retries_taken, response.parse()

    replies = [OVERLOADED, OVERLOADED, ANSWER]
    runs = run_thrice(use, replies, tmp_path)

    assert runs.recorded == runs.straight
    assert runs.replayed == runs.straight
    counts = [one.header("x-stainless-retry-count") for one in runs.requests]
    assert counts == ["0", "1", "2"]
    heads = [cassette.response for cassette in runs.cassettes]
    assert [head.status for head in heads if head] == [529, 529, 200]
    assert runs.counts == {"replayed": 3}


def test_what_should_not_be_retried_is_not(tmp_path: Path) -> None:
    final = error_reply(529, "overloaded_error", "Overloaded", should_retry=False)

    def use(base_url: str) -> str:
        with (
            anthropic.Anthropic(base_url=base_url, api_key="k") as client,
            pytest.raises(anthropic.OverloadedError) as caught,
        ):
            create(client)
        return caught.value.message

    runs = run_thrice(use, [final], tmp_path)

    assert runs.replayed == runs.recorded == runs.straight
    assert len(runs.requests) == 1
    assert runs.counts == {"replayed": 1}


def test_a_miss_is_shown_at_once_and_not_retried(tmp_path: Path) -> None:
    with (
        streamtape.replay(tmp_path) as replay,
        anthropic.Anthropic(base_url=replay.base_url, api_key="k") as client,
        pytest.raises(anthropic.APIStatusError, match="no cassette") as caught,
    ):
        create(client)

    assert caught.value.status_code == 424
    assert caught.value.type == "invalid_request_error"
    assert replay.summary.counts == {"miss": 1}


def test_an_upstream_that_is_not_there_is_retried_by_the_sdk(tmp_path: Path) -> None:
    with FakeUpstream() as gone:
        url = gone.url
    with (
        streamtape.record(tmp_path, upstream=url) as recording,
        anthropic.Anthropic(
            base_url=recording.base_url, api_key="k", max_retries=0
        ) as client,
        pytest.raises(anthropic.InternalServerError, match="no connection") as caught,
    ):
        create(client)

    assert caught.value.status_code == 502
    assert "x-should-retry" not in caught.value.response.headers
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case(56)
def test_a_client_that_leaves_its_loop_is_recorded_as_such(tmp_path: Path) -> None:
    """The next call of the same client works, and a replay has what it took."""
    reply = stream_reply(
        text("Hi"), profile=INSTANT, cut_after=3, ending=ReplyEnding.STALL
    )
    with (
        FakeUpstream([reply, ANSWER]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
        anthropic.Anthropic(base_url=recording.base_url, api_key="k") as client,
    ):
        first = leave_early(client)
        assert upstream.wait_for_departure()
        create(client)
    with (
        streamtape.replay(tmp_path, speed="instant") as replay,
        anthropic.Anthropic(base_url=replay.base_url, api_key="k") as client,
    ):
        again = leave_early(client)

    assert again == first
    reasons = {str(cassette.ending.reason) for cassette in read_library(tmp_path)}
    assert reasons == {"client_gone", "complete"}


def leave_early(client: anthropic.Anthropic) -> object:
    with client.messages.create(
        model=MODEL, max_tokens=10, messages=HELLO, stream=True
    ) as events:
        return next(iter(events))
