from __future__ import annotations

from pathlib import Path

import pytest

from streamtape.errors import UsageError
from streamtape.server.upstream.url import (
    DEFAULT_UPSTREAM,
    check_upstream,
    explain_streamtape,
    find_upstream,
)
from streamtape.settings import Settings, resolve

PORT = 8484


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com"),
        ("https://api.anthropic.com/", "https://api.anthropic.com"),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("https://api.anthropic.com/v1/", "https://api.anthropic.com"),
        ("https://gateway.example/team/v1", "https://gateway.example/team"),
        ("https://gateway.example:8443/v1x", "https://gateway.example:8443/v1x"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.2:8080", "http://127.0.0.2:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://127.0.0.1:8485", "https://127.0.0.1:8485"),
        ("https://elsewhere.example:8484", "https://elsewhere.example:8484"),
    ],
)
def test_an_upstream_is_brought_into_its_plain_form(url: str, expected: str) -> None:
    assert check_upstream(url, port=PORT) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("", "expected a base URL", id="empty"),
        pytest.param("api.anthropic.com", "expected a base URL", id="no-scheme"),
        pytest.param("ftp://example.com", "expected a base URL", id="ftp"),
        pytest.param("https://", "expected a base URL", id="no-host"),
        pytest.param("https://example.com/?a=1", "expected a base URL", id="query"),
        pytest.param("https://example.com/#a", "expected a base URL", id="fragment"),
        pytest.param("https://example.com:99999", "expected a base URL", id="port"),
        pytest.param("https://[::1", "expected a base URL", id="brackets"),
        pytest.param("http://example.com", "unencrypted", id="http"),
        pytest.param("http://127.example.com", "unencrypted", id="looks-local"),
        pytest.param("http://localhost:8484", "this proxy itself", id="ourselves"),
        pytest.param("http://127.0.0.1:8484/v1", "this proxy itself", id="with-v1"),
        pytest.param("http://[::1]:8484", "this proxy itself", id="over-ipv6"),
        pytest.param("http://0.0.0.0:8484", "this proxy itself", id="any-address"),
    ],
)
def test_what_cant_be_an_upstream_is_refused_in_words(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        check_upstream(url, port=PORT)


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@example.com", "https://:secret@example.com", "http://secret@"],
)
def test_a_key_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_upstream(url, port=PORT)

    assert "secret" not in str(caught.value)


def test_a_token_in_the_url_is_refused_and_not_repeated() -> None:
    """Such a URL is that of a streamtape, wherever it is."""
    with pytest.raises(UsageError, match="that of a streamtape") as caught:
        check_upstream("http://127.0.0.1:9/_streamtape/as/a-secret", port=PORT)

    assert "a-secret" not in str(caught.value)


def settings_of(url: str | None, folder: Path) -> Settings:
    """Return what holds where the SDKs' variable alone is set."""
    environ = {} if url is None else {"ANTHROPIC_BASE_URL": url}
    (folder / ".git").mkdir()
    return resolve(environ=environ, folder=folder)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(None, (DEFAULT_UPSTREAM, "default"), id="not-set"),
        pytest.param("", (DEFAULT_UPSTREAM, "default"), id="empty"),
        pytest.param(
            "http://127.0.0.1:8484", (DEFAULT_UPSTREAM, "default"), id="ourselves"
        ),
        pytest.param(
            "https://gateway.example/v1",
            ("https://gateway.example", "ANTHROPIC_BASE_URL"),
            id="another",
        ),
    ],
)
def test_the_environment_names_the_default_upstream(
    url: str | None, expected: tuple[str, str], tmp_path: Path
) -> None:
    """Our own address is none, because that is what we told people to export."""
    assert find_upstream(settings_of(url, tmp_path), port=PORT) == expected


def test_an_environment_that_cant_be_meant_is_an_error(tmp_path: Path) -> None:
    """Keys for a gateway must not go to the public API because of a typing error."""
    settings = settings_of("gateway.example", tmp_path)

    with pytest.raises(UsageError, match=r"^ANTHROPIC_BASE_URL: .*--upstream"):
        find_upstream(settings, port=PORT)


@pytest.mark.parametrize(
    ("source", "beginning", "advice"),
    [
        (
            "ANTHROPIC_BASE_URL",
            "the upstream http://x (from ANTHROPIC_BASE_URL) is",
            "; unset ANTHROPIC_BASE_URL, or name the API with --upstream or "
            "STREAMTAPE_UPSTREAM",
        ),
        (
            "pyproject.toml",
            "the upstream http://x (from pyproject.toml) is",
            f"; name the API instead, such as {DEFAULT_UPSTREAM}",
        ),
        (
            "default",
            "the upstream http://x is",
            f"; name the API instead, such as {DEFAULT_UPSTREAM}",
        ),
    ],
)
def test_what_to_do_about_a_streamtape_depends_on_who_named_it(
    source: str, beginning: str, advice: str
) -> None:
    """What was not said can't be unsaid."""
    said = explain_streamtape("http://x", source)

    assert said.startswith(f"{beginning} a streamtape itself, so what it answers")
    assert said.endswith(advice)
