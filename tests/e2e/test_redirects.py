"""Redirects are passed on, and those within the upstream lead to the proxy again."""

from __future__ import annotations

from pathlib import Path

import anthropic
import pytest

import streamtape
from e2e.runs import read_library
from e2e.wire import ask
from streamtape.testing import (
    MODEL,
    FakeUpstream,
    Reply,
    SeenRequest,
    json_reply,
    message_json,
    raw_reply,
    text,
)


def redirect_to(location: str, status: int = 307) -> Reply:
    return raw_reply(
        [], status=status, content_type=None, headers=(("Location", location),)
    )


def create(base_url: str) -> object:
    with anthropic.Anthropic(base_url=base_url, api_key="k") as client:
        return client.messages.create(
            model=MODEL,
            max_tokens=10,
            messages=[{"role": "user", "content": "Hello"}],
        )


@pytest.mark.case(51)
@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_redirect_within_the_upstream_is_followed_through_the_proxy(
    prefix: str, is_absolute: bool, tmp_path: Path
) -> None:
    def answers(seen: SeenRequest) -> Reply:
        if "moved" in seen.target:
            return json_reply(message_json(text("Here I am.")))
        origin = f"http://{seen.header('host')}" if is_absolute else ""
        return redirect_to(f"{origin}{prefix}/v1/messages?moved=1")

    with (
        FakeUpstream(answers) as upstream,
        streamtape.record(tmp_path, upstream=upstream.url + prefix) as recording,
    ):
        recorded = create(recording.base_url)
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = create(replay.base_url)

    assert replayed == recorded
    assert recording.summary.counts == {"recorded": 2}
    assert replay.summary.counts == {"replayed": 2}
    assert [seen.target for seen in upstream.requests] == [
        f"{prefix}/v1/messages",
        f"{prefix}/v1/messages?moved=1",
    ]


@pytest.mark.case(51)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_elsewhere_is_passed_on_and_not_replayed(
    status: int, tmp_path: Path
) -> None:
    """
    The proxy takes no key there, and a replay sends no client to another host,
    whatever the cassette says.
    """
    with FakeUpstream([json_reply({})]) as other:
        elsewhere = f"{other.url}/v1/messages"
        with (
            FakeUpstream([redirect_to(elsewhere, status)]) as upstream,
            streamtape.record(tmp_path, upstream=upstream.url) as recording,
        ):
            recorded = ask(recording.base_url, headers=(("x-api-key", "a key"),))
    assert other.requests == []
    assert len(upstream.requests) == 1
    with streamtape.replay(tmp_path, speed="instant") as replay:
        replayed = ask(replay.base_url)

    assert (recorded.status, recorded.header("location")) == (status, elsewhere)
    assert (replayed.status, replayed.header("location")) == (status, None)
    (cassette,) = read_library(tmp_path)
    assert cassette.response is not None
    assert elsewhere not in str(cassette.response.headers)
