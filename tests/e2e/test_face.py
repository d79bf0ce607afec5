"""What is answered here, and what is refused: the upstream sees nothing of either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.wire import Answer, ask, ask_raw, raw_request
from streamtape.server.server import RunningServer
from streamtape.testing import FakeUpstream

PAGE = "http://localhost:5173"
"""A page of the developer's own."""


def error_of(answer: Answer) -> tuple[str, str]:
    body = json.loads(answer.body)
    assert body["type"] == "error"
    return body["error"]["type"], body["error"]["message"]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("HEAD", "/", 200, id="head"),
        pytest.param("HEAD", "/api/hello", 200, id="head-of-a-path"),
        pytest.param("OPTIONS", "/v1/messages", 204, id="options"),
        pytest.param("GET", "/_streamtape/health", 200, id="health"),
        pytest.param("GET", "/_streamtape/status", 200, id="status"),
    ],
)
def test_some_requests_are_answered_here(
    proxy: RunningServer,
    upstream: FakeUpstream,
    tmp_path: Path,
    method: str,
    target: str,
    status: int,
) -> None:
    answer = ask(proxy.base_url, method=method, target=target)

    assert (answer.status, answer.header("x-streamtape")) == (status, "local")
    assert upstream.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        pytest.param("/v1/v1/messages", "/v1 is there twice", id="v1-twice"),
        pytest.param("/messages", "/v1 is missing", id="no-v1"),
        pytest.param("/messages?beta=true", "/v1 is missing", id="no-v1-with-query"),
        pytest.param(
            "/_streamtape/nothing", "health, status and reset", id="own-pages"
        ),
    ],
)
def test_a_wrong_address_is_explained(
    proxy: RunningServer, upstream: FakeUpstream, target: str, hint: str
) -> None:
    answer = ask(proxy.base_url, target=target)

    assert (answer.status, answer.header("x-should-retry")) == (404, "false")
    kind, message = error_of(answer)
    assert kind == "not_found_error"
    assert hint in message
    assert upstream.requests == []


def test_a_page_of_a_loopback_origin_may_ask_and_read(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    preflight = ask(
        proxy.base_url,
        method="OPTIONS",
        headers=(
            ("Origin", PAGE),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "x-api-key,anthropic-version"),
        ),
    )
    answer = ask(proxy.base_url, headers=(("Origin", PAGE),), body=b"{}")
    hint = ask(proxy.base_url, target="/messages", headers=(("Origin", PAGE),))

    assert preflight.status == 204
    assert preflight.header("access-control-allow-methods") == "POST"
    assert (
        preflight.header("access-control-allow-headers")
        == "x-api-key,anthropic-version"
    )
    for one in (preflight, answer, hint):
        assert one.header("access-control-allow-origin") == PAGE
        assert one.header("vary") == "Origin"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        pytest.param("GET http://{host}/ HTTP/1.1", [], 400, id="absolute-form"),
        pytest.param(
            "POST http://api.anthropic.com/v1/messages HTTP/1.1",
            [],
            400,
            id="proxy-use",
        ),
        pytest.param("CONNECT api.anthropic.com:443 HTTP/1.1", [], 400, id="connect"),
        pytest.param("GET //example.com/v1/models HTTP/1.1", [], 400, id="two-slashes"),
        pytest.param("GET /v1/../admin HTTP/1.1", [], 400, id="dots"),
        pytest.param("GET /v1/%2E%2e/admin HTTP/1.1", [], 400, id="encoded-dots"),
        pytest.param("GET / HTTP/1.1", ["Host: example.com"], 400, id="two-hosts"),
        pytest.param("GET / HTTP/1.1", ["Origin: http://evil.com"], 403, id="origin"),
        pytest.param("GET / HTTP/1.1", ["Origin: null"], 403, id="null-origin"),
        pytest.param(
            "OPTIONS / HTTP/1.1", ["Origin: http://evil.com"], 403, id="preflight"
        ),
        pytest.param(
            "GET / HTTP/1.1", ["Sec-Fetch-Site: cross-site"], 403, id="cross-site"
        ),
        pytest.param(
            "GET /_streamtape/status HTTP/1.1",
            ["Origin: http://evil.com"],
            403,
            id="own-pages",
        ),
    ],
)
def test_what_is_not_meant_for_the_proxy_is_refused(
    proxy: RunningServer,
    upstream: FakeUpstream,
    line: str,
    headers: list[str],
    status: int,
) -> None:
    host = proxy.base_url.removeprefix("http://")
    answer = ask_raw(
        proxy.base_url, raw_request(proxy.base_url, line.format(host=host), *headers)
    )

    assert answer.status == status
    assert answer.header("access-control-allow-origin") is None
    assert upstream.requests == []


def test_a_foreign_host_is_refused(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    """A page's own name that was made to point here: DNS rebinding."""
    answer = ask_raw(
        proxy.base_url,
        b"GET /v1/models HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n",
    )

    assert answer.status == 403
    assert proxy.base_url in error_of(answer)[1]
    assert upstream.requests == []


@pytest.mark.case(63)
def test_a_body_over_the_limit_is_refused(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    fits = ask(proxy.base_url, target="/v1/files", body=b"x" * 10_000)
    refused = ask(proxy.base_url, body=b"x" * 10_001)

    assert fits.header("x-streamtape") == "recorded"
    assert (refused.status, refused.header("x-should-retry")) == (413, "false")
    assert error_of(refused) == (
        "request_too_large",
        "the body is longer than 10000 bytes",
    )
    assert [seen.path for seen in upstream.requests] == ["/v1/files"]


def test_a_body_with_broken_framing_is_refused(
    proxy: RunningServer, upstream: FakeUpstream
) -> None:
    sent = raw_request(
        proxy.base_url,
        "POST /v1/messages HTTP/1.1",
        "Transfer-Encoding: chunked",
        body="nonsense\r\n",
    )

    assert ask_raw(proxy.base_url, sent).status == 400
    assert upstream.requests == []
