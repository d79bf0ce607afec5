from __future__ import annotations

import pytest
from yarl import URL

from streamtape.server.upstream.headers import forwarded_headers, own_location


@pytest.mark.case(54)
@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "Accept-Encoding",
        "Expect",
        "Connection",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ],
)
def test_what_belongs_to_the_connection_is_not_forwarded(name: str) -> None:
    kept = ("Authorization", "Bearer k")

    headers = forwarded_headers(((name, "x"), kept, (name.lower(), "x")))

    assert headers == (kept, ("Accept-Encoding", "identity"))


@pytest.mark.case(54)
def test_what_the_client_calls_its_connection_s_own_is_not_forwarded() -> None:
    headers = forwarded_headers(
        (("Connection", "keep-alive, X-Hop"), ("x-hop", "1"), ("X-Other", "2"))
    )

    assert headers == (("X-Other", "2"), ("Accept-Encoding", "identity"))


def test_everything_else_is_forwarded_in_its_order_and_case() -> None:
    sent = (
        ("anthropic-beta", "a"),
        ("X-Stainless-Lang", "python"),
        ("anthropic-beta", "b"),
        ("User-Agent", ""),
        ("Cookie", "a=1"),
        ("Content-Encoding", "gzip"),
    )

    assert forwarded_headers(sent)[:-1] == sent


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://up.example/api/v1/x?a=%20#b", "/v1/x?a=%20#b"),
        ("https://UP.example:443/api/v1/x", "/v1/x"),
        ("//up.example/api/v1/x", "/v1/x"),
        ("/api/v1/x", "/v1/x"),
        ("y", "/v1/y"),
        ("../y", "/y"),
        ("?page=2", "/v1/messages?page=2"),
        # Outside of the base URL, where requests to this proxy don't lead.
        ("/v1/x", "https://up.example/v1/x"),
        ("/api", "https://up.example/api"),
        ("/apiary/x", "https://up.example/apiary/x"),
        ("https://up.example/login", "https://up.example/login"),
        # Elsewhere.
        ("https://example.com/api/v1/x", "https://example.com/api/v1/x"),
        ("http://up.example/api/v1/x", "http://up.example/api/v1/x"),
        ("https://up.example:8443/api/x", "https://up.example:8443/api/x"),
        ("https://up.example/api//evil.com", "https://up.example/api//evil.com"),
        # No URL at all.
        ("http://[::1", "http://[::1"),
        ("mailto:me", "mailto:me"),
        ("", "/v1/messages"),
    ],
)
def test_a_redirect_within_the_upstream_becomes_a_path_of_ours(
    location: str, expected: str
) -> None:
    base_url = "https://up.example/api"
    context = URL(f"{base_url}/v1/messages")

    assert own_location(location, context, base_url=base_url) == expected
