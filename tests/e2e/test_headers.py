"""Which headers are passed on, kept on tape and given back."""

from __future__ import annotations

from pathlib import Path

import pytest

import streamtape
from e2e.runs import read_library, run_thrice
from e2e.wire import ask
from streamtape.server.server import RunningServer
from streamtape.testing import (
    FakeUpstream,
    Profile,
    Reply,
    SeenRequest,
    json_reply,
    raw_reply,
)

BODY = '{"messages":[{"role":"user","content":"Hello"}]}'
MS = 1_000_000


def test_our_own_headers_reach_neither_the_upstream_nor_the_tape(
    proxy: RunningServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    own = (("X-Streamtape-Speed", "instant"), ("x-streamtape-other", "1"))
    ask(proxy.base_url, headers=(*own, ("X-Mine", "kept")), body=BODY.encode())
    proxy.stop()

    (seen,) = upstream.requests
    (cassette,) = read_library(tmp_path)
    for headers in (seen.headers, cassette.request.headers):
        names = [name.lower() for name, _ in headers]
        assert "x-mine" in names
        assert not [name for name in names if name.startswith("x-streamtape")]


def test_a_request_may_ask_for_its_own_speed(tmp_path: Path) -> None:
    """At the server's speed the answer would come after a minute."""
    with (
        FakeUpstream(profile=Profile(ttft_ns=60 * MS)) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask(recording.base_url, body=BODY.encode())
    with streamtape.replay(tmp_path, speed=0.001) as replay:
        speed = (("x-streamtape-speed", "instant"),)
        answer = ask(replay.base_url, headers=speed, body=BODY.encode())

    assert answer.header("x-streamtape") == "replayed"


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "nan", "inf", ""])
def test_a_speed_that_is_none_is_refused(proxy: RunningServer, speed: str) -> None:
    answer = ask(proxy.base_url, headers=(("x-streamtape-speed", speed),))

    assert answer.status == 400
    assert b'"message": "x-streamtape-speed: ' in answer.body


def test_a_header_that_comes_twice_is_passed_on_twice(tmp_path: Path) -> None:
    twice = (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    runs = run_thrice(
        lambda url: ask(
            url, headers=(("anthropic-beta", "a"), ("anthropic-beta", "b"))
        ),
        [json_reply({}, headers=twice)],
        tmp_path,
    )

    for answer in (runs.straight, runs.recorded):
        cookies = [one[1] for one in answer.headers if one[0].lower() == "set-cookie"]
        assert cookies == ["a=1", "b=2"]
    betas = [value for name, value in runs.requests[0].headers if "beta" in name]
    assert betas == ["a", "b"]
    assert runs.replayed.header("set-cookie") is None


def test_an_answer_keeps_all_its_headers_but_those_of_the_framing(
    tmp_path: Path,
) -> None:
    runs = run_thrice(lambda url: ask(url, body=BODY.encode()), None, tmp_path)

    framing = {"content-length", "transfer-encoding", "connection"}
    straight, recorded, replayed = (
        {(name.lower(), value) for name, value in answer.headers}
        for answer in (runs.straight, runs.recorded, runs.replayed)
    )
    assert {name for name, _ in straight - recorded} <= framing
    # Of these a cassette keeps the names alone.
    redacted = {"anthropic-organization-id", "date", "server", "via"}
    assert {name for name, _ in straight - replayed} - framing == redacted


def test_another_origin_s_permission_is_never_passed_on(tmp_path: Path) -> None:
    """What the upstream allows is for its origin and not for this proxy's."""
    allowed = (("Access-Control-Allow-Origin", "*"), ("X-Other", "kept"))
    runs = run_thrice(lambda url: ask(url), [json_reply({}, headers=allowed)], tmp_path)

    assert runs.straight.header("access-control-allow-origin") == "*"
    assert runs.recorded.header("access-control-allow-origin") is None
    assert runs.replayed.header("access-control-allow-origin") is None
    assert runs.recorded.header("x-other") == "kept"


def test_two_resumes_of_a_stream_get_their_own_answers(tmp_path: Path) -> None:
    """However often and in whatever order they come back."""

    def resume(base_url: str, event_id: str) -> bytes:
        after = (("Last-Event-ID", event_id),)
        return ask(base_url, method="GET", target="/mcp", headers=after).body

    def answer(seen: SeenRequest) -> Reply:
        [after] = [text for name, text in seen.headers if name == "Last-Event-ID"]
        return raw_reply(f"id: {int(after) + 1}\ndata: x\n\n".encode())

    with (
        FakeUpstream(answer) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        live = [resume(recording.base_url, event_id) for event_id in ("7", "8")]
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = [resume(replay.base_url, event_id) for event_id in ("8", "7")]

    assert replayed == live[::-1]


def test_an_error_of_bedrock_keeps_what_tells_its_class(tmp_path: Path) -> None:
    kind = ("x-amzn-ErrorType", "ThrottlingException:http://internal.amazon.com/")
    reply = raw_reply(
        b'{"message":"slow down"}',
        status=429,
        content_type="application/json",
        headers=(kind, ("x-amzn-RequestId", "3f1c"), ("x-amzn-other", "nobody's")),
    )
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url) as recording,
    ):
        ask(recording.base_url, body=b"{}")
    with streamtape.replay(tmp_path, speed="instant") as replay:
        answer = ask(replay.base_url, body=b"{}")

    assert answer.header("x-amzn-errortype") == kind[1]
    assert answer.header("x-amzn-requestid") == "3f1c"
    assert answer.header("x-amzn-other") is None
