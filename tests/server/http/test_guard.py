from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamtape.errors import RefusedRequestError
from streamtape.server.http.guard import (
    check_framing,
    check_request,
    explain_base_url,
    is_loopback_origin,
)

PORT = 8484
HERE = (f"127.0.0.1:{PORT}",)


def check(
    method: str = "POST",
    target: str = "/v1/messages",
    *,
    hosts: Sequence[str] = HERE,
    port: int | None = PORT,
    origin: str | None = None,
    fetch_site: str | None = None,
) -> None:
    check_request(
        method=method,
        target=target,
        hosts=hosts,
        port=port,
        origins=[] if origin is None else [origin],
        fetch_sites=[] if fetch_site is None else [fetch_site],
    )


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1/messages?beta=true",
        "/v1/models/gemini:streamGenerateContent?alt=sse",
        "/v1/files/a..b/content",
        "/v1/files/.hidden",
        "/v1/files/...",
        "/v1/x?path=/../y",
        "/v1/x?to=//example.com",
    ],
)
def test_a_path_of_ours_is_let_in(target: str) -> None:
    check("GET", target)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:8484/v1/messages",
        "api.anthropic.com:443",
        "*",
        "",
        "//example.com/v1",
        "/\\example.com/v1",
        "/v1/../admin",
        "/v1/..",
        "/./v1",
        "/v1/%2e%2E/admin",
        "/v1/.%2e/admin",
    ],
)
def test_a_target_that_leads_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check("GET", target)

    assert caught.value.status == 400


def test_a_proxy_setting_is_told_from_a_base_url() -> None:
    with pytest.raises(RefusedRequestError, match="not HTTP_PROXY"):
        check("CONNECT", "/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8484", "localhost:8484", "LocalHost:8484", "[::1]:8484"],
)
def test_our_own_names_are_let_in(host: str) -> None:
    check(hosts=[host])


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param([], id="none"),
        pytest.param([""], id="empty"),
        pytest.param(["evil.com"], id="another"),
        pytest.param(["evil.com:8484"], id="another-with-our-port"),
        pytest.param(["127.0.0.1"], id="no-port"),
        pytest.param(["127.0.0.1:8485"], id="another-port"),
        pytest.param(["localhost.evil.com:8484"], id="a-longer-name"),
        pytest.param(["localhost:8484", "localhost:8484"], id="twice"),
        pytest.param(["user@localhost:8484"], id="with-a-user"),
        pytest.param(["0.0.0.0:8484"], id="any-address"),
    ],
)
def test_any_other_host_is_refused_and_told_the_right_one(
    hosts: Sequence[str],
) -> None:
    with pytest.raises(
        RefusedRequestError, match=r"http://127\.0\.0\.1:8484$"
    ) as caught:
        check(hosts=hosts)

    assert caught.value.status == 403


def test_the_default_port_of_http_is_not_named_by_clients() -> None:
    check(hosts=["localhost"], port=80)
    check(hosts=["localhost:80"], port=80)


def test_with_a_token_any_host_is_let_in_that_is_one() -> None:
    check(hosts=["streamtape.internal:8484"], port=None)
    check(hosts=["[2001:db8::1]"], port=None)
    for hosts in ([], ["a", "b"], ["a/b"], ["a\\g<0>"], ['a"b'], [""]):
        with pytest.raises(RefusedRequestError):
            check(hosts=hosts, port=None)


@pytest.mark.parametrize(
    ("codings", "expected"),
    [([], []), (["chunked"], []), (["Chunked"], ["100-Continue"])],
)
def test_usual_framing_is_let_in(codings: list[str], expected: list[str]) -> None:
    check_framing((1, 1), codings, expected)
    check_framing((1, 0), codings, expected)


@pytest.mark.parametrize(
    ("codings", "expected", "status"),
    [
        (["gzip, chunked"], [], 400),
        (["gzip"], [], 400),
        (["chunked", "chunked"], [], 400),
        (["identity"], [], 400),
        ([], ["banana"], 417),
        ([], ["100-continue, banana"], 417),
    ],
)
def test_framing_that_could_be_read_otherwise_is_refused(
    codings: list[str], expected: list[str], status: int
) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_framing((1, 1), codings, expected)

    assert caught.value.status == status


def test_a_request_without_a_version_is_refused() -> None:
    with pytest.raises(RefusedRequestError, match="no version"):
        check_framing((0, 9), [], [])


ORIGINS = [
    pytest.param("http://localhost:5173", True, id="localhost"),
    pytest.param("https://localhost", True, id="no-port"),
    pytest.param("http://127.0.0.1:3000", True, id="ipv4"),
    pytest.param("http://[::1]:3000", True, id="ipv6"),
    pytest.param("http://evil.com", False, id="another"),
    pytest.param("http://localhost.evil.com", False, id="a-longer-name"),
    pytest.param("http://localhost@evil.com", False, id="as-a-user"),
    pytest.param("http://evil.com#localhost", False, id="in-a-fragment"),
    pytest.param("http://localhost/path", False, id="with-a-path"),
    pytest.param("file://localhost", False, id="another-scheme"),
    pytest.param("null", False, id="null"),
    pytest.param("", False, id="empty"),
    pytest.param("http://[::1", False, id="malformed"),
]


@pytest.mark.parametrize(("origin", "is_ours"), ORIGINS)
def test_only_pages_of_a_loopback_origin_are_let_in(origin: str, is_ours: bool) -> None:
    assert is_loopback_origin(origin) is is_ours
    if is_ours:
        check(origin=origin, fetch_site="cross-site")
        return
    with pytest.raises(RefusedRequestError) as caught:
        check(origin=origin)
    assert caught.value.status == 403


def test_a_second_origin_is_looked_at_too() -> None:
    with pytest.raises(RefusedRequestError, match="evil"):
        check_request(
            method="GET",
            target="/",
            hosts=HERE,
            port=PORT,
            origins=["http://localhost", "http://evil.com"],
            fetch_sites=[],
        )


@pytest.mark.parametrize("fetch_site", [None, "same-origin", "same-site", "none"])
def test_what_no_foreign_page_sends_is_let_in(fetch_site: str | None) -> None:
    check(fetch_site=fetch_site)


def test_a_foreign_page_is_known_without_its_origin() -> None:
    """Browsers send none with a plain GET, as for an image."""
    with pytest.raises(RefusedRequestError, match="another site"):
        check("GET", fetch_site="cross-site")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/v1/messages", "leave it out of the base URL"),
        ("/messages", "end the base URL in /v1"),
        ("/messages/count_tokens", "end the base URL in /v1"),
        ("/v1/messages", None),
        ("/v1/v1", None),
        ("/", None),
    ],
)
def test_a_wrong_base_url_is_explained(path: str, hint: str | None) -> None:
    explained = explain_base_url(path)

    assert (explained is None) == (hint is None)
    assert explained is None or (hint or "") in explained
