from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest

from streamtape.core.format.frames import MAGIC
from streamtape.core.model import EndReason, Headers, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import (
    HOP_BY_HOP,
    clean_request,
    clean_response,
    replayed_headers,
)
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED

PLAIN = "Ab3dEfGhIjK7lMnOpQrStUvWx9YzAb3dEfGh5678"
SECRETS = {
    "anthropic": f"sk-ant-api03-{PLAIN}AA",
    "openai": f"sk-{PLAIN}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27",
}
SECRET = SECRETS["anthropic"]
HIDDEN = SECRET.replace("-", "%2D").replace("a", "%61")


def as_event(secret: str) -> str:
    text = json.dumps({"type": "text_delta", "text": f"It is {secret}."})
    return f"event: content_block_delta\ndata: {text}\n\n"


def request(
    *headers: tuple[str, str], target: str = "/v1/messages", body: bytes = b""
) -> Request:
    return clean_request(
        Request(method="POST", target=target, headers=headers, body=body), Secrets()
    )


def response(*headers: tuple[str, str], reason: str = "OK") -> Response:
    return clean_response(
        Response(status=200, reason=reason, headers=headers, offset_ns=1), Secrets()
    )


def test_of_a_requests_headers_only_harmless_values_are_kept() -> None:
    """The names stay in their order and case."""
    kept = [
        ("Accept", "text/event-stream"),
        ("anthropic-version", "2000-01-01"),
        ("Anthropic-Beta", "a,b"),
        ("content-type", "application/json"),
    ]
    dropped = ["X-Api-Key", "authorization", "Cookie", "x-stainless-os", "X-Custom"]

    cleaned = request(*kept, *((name, "value") for name in dropped))

    assert list(cleaned.headers) == kept + [(name, REDACTED) for name in dropped]


def test_of_a_user_agent_only_the_product_is_kept() -> None:
    cleaned = request(("User-Agent", "claude-cli/2.0 (external, cli; Linux 6.1)"))

    assert cleaned.headers == (("User-Agent", "claude-cli/2.0"),)


@pytest.mark.parametrize(
    "name", sorted({*HOP_BY_HOP, "Content-Length", "HOST", "accept-encoding"})
)
def test_headers_of_one_connection_are_not_kept(name: str) -> None:
    assert request((name, "value")).headers == ()
    assert response((name, "value")).headers == ()


def test_headers_that_connection_names_are_not_kept() -> None:
    """RFC 9110 section 7.6.1: they belong to one connection too."""
    headers = (
        ("Connection", "close, X-Route"),
        ("x-route", "a"),
        ("accept", "*/*"),
        ("connection", "X-Hop"),
        ("X-Hop", "b"),
    )

    kept = clean_request(
        Request(method="GET", target="/", headers=headers), Secrets()
    ).headers
    answered = clean_response(
        Response(status=200, reason="", headers=headers, offset_ns=0), Secrets()
    )

    assert kept == (("accept", "*/*"),)
    assert answered.headers == (("accept", "[redacted]"),)


def test_of_a_responses_headers_only_harmless_values_are_kept() -> None:
    kept = [
        ("Content-Type", "text/event-stream"),
        ("Cache-Control", "no-cache"),
        ("request-id", "req_1"),
        ("Retry-After", "7"),
        ("x-should-retry", "false"),
        ("anthropic-ratelimit-requests-remaining", "49"),
    ]
    dropped = ["Set-Cookie", "anthropic-organization-id", "CF-RAY", "Server", "date"]

    cleaned = response(*kept, *((name, "value") for name in dropped))

    assert list(cleaned.headers) == kept + [(name, REDACTED) for name in dropped]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v1/files/1", "/v1/files/1"),
        ("/v1/files/1?page=2#top", "/v1/files/1?page=2#top"),
        ("/v1/files/1?sig=abc&page=2", f"/v1/files/1?sig={REDACTED}&page=2"),
        (f"/{SECRET}", f"/{REDACTED}"),
        ("https://evil.example/", REDACTED),
        ("//evil.example/", REDACTED),
        ("/\\evil.example/", REDACTED),
        ("/\t/evil.example/", REDACTED),
        ("\\/evil.example/", REDACTED),
        ("v1/files", REDACTED),
        ("", REDACTED),
    ],
)
def test_a_location_stays_on_its_own_host(location: str, expected: str) -> None:
    cleaned = response(("Location", location))

    assert cleaned.headers == (("Location", expected),)
    assert replayed_headers(cleaned.headers, Secrets()) == (
        () if expected == REDACTED else cleaned.headers
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/models?limit=2&after_id=m", "/v1/models?limit=2&after_id=m"),
        ("/v1/x?key=abc&b=1", f"/v1/x?key={REDACTED}&b=1"),
        ("/v1/x?api%5Fk%65y=a", f"/v1/x?api%5Fk%65y={REDACTED}"),
        (
            "/v1/x?access_token=a&access_token=b",
            f"/v1/x?access_token={REDACTED}&access_token={REDACTED}",
        ),
        ("/v1/x?X-Amz-Signature=ab", f"/v1/x?X-Amz-Signature={REDACTED}"),
        (f"/v1/x?q={SECRET}", f"/v1/x?q={REDACTED}"),
        (f"/v1/x?q=my+{SECRET}", f"/v1/x?q={REDACTED}"),
        (f"/v1/x?q=my!{SECRET}", f"/v1/x?q=my!{REDACTED}"),
        (f"/v1/x?q={SECRETS['jwt'].replace('-', '%2D')}", f"/v1/x?q={REDACTED}"),
        (f"/v1/{SECRET}/y", f"/v1/{REDACTED}/y"),
        (f"/v1/x?{SECRET}", f"/v1/x?{REDACTED}"),
        (f"/v1/x?q={HIDDEN}&b=1", f"/v1/x?q={REDACTED}&b=1"),
        (f"/v1/x?q=a%20{HIDDEN}", f"/v1/x?q={REDACTED}"),
        (f"/v1/x?q={HIDDEN.replace('%', '%25')}", f"/v1/x?q={REDACTED}"),
        (f"/v1/x?{HIDDEN}=1", f"/v1/x?{REDACTED}=1"),
        (f"/v1/{HIDDEN}/y", f"/v1/{REDACTED}/y"),
        (f"/v1/x?q=Bearer+a1{PLAIN}", f"/v1/x?q={REDACTED}"),
        (f"/v1/x?q=Bearer%20a1{PLAIN}", f"/v1/x?q={REDACTED}"),
        ("/v1/%7Ea/%2F?q=%FF%00+b", "/v1/%7Ea/%2F?q=%FF%00+b"),
        ("/v1/x?", "/v1/x?"),
        ("/v1/x?key", "/v1/x?key"),
    ],
)
def test_a_target_keeps_what_tells_requests_apart(target: str, expected: str) -> None:
    cleaned = request(target=target)

    assert cleaned.target == expected
    assert request(target=cleaned.target).target == expected


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("Set-Cookie", "a=b"),), id="cookie"),
        pytest.param((("Location", "https://evil.example/"),), id="location"),
        pytest.param((("Access-Control-Allow-Origin", "*"),), id="cors"),
        pytest.param((("Access-Control-Allow-Credentials", "true"),), id="cors-2"),
        pytest.param((("Content-Security-Policy", ""),), id="csp"),
        pytest.param((("Refresh", "0;url=https://evil.example"),), id="refresh"),
        pytest.param((("Clear-Site-Data", '"*"'),), id="clear"),
        pytest.param((("Connection", "close"),), id="connection"),
        pytest.param((("Transfer-Encoding", "chunked"),), id="framing"),
        pytest.param((("Content-Length", "1"),), id="length"),
        pytest.param((("X-Request-Id", REDACTED),), id="redacted"),
        pytest.param((("X-Request-Id", SECRET),), id="secret"),
    ],
)
def test_a_crafted_cassette_sets_no_header_of_consequence(headers: Headers) -> None:
    kept = (("Content-Type", "text/event-stream"), ("Retry-After", "7"))

    assert replayed_headers(headers + kept, Secrets()) == kept


def test_no_secret_reaches_the_bytes_of_a_cassette() -> None:
    """
    Wherever it was planted. What only its place makes one has no known kind.
    """
    opaque = ["opaque-header", "opaque-cookie", "opaque-query", "opaque-set-cookie"]
    recording = Recording(
        clean_request(
            Request(
                method="POST",
                target=f"/v1/{SECRET}?{urlencode({'token': opaque[2], 'q': SECRET})}",
                headers=(
                    ("x-api-key", opaque[0]),
                    ("Cookie", f"session={opaque[1]}"),
                    ("anthropic-beta", f"a,{SECRET}"),
                    ("user-agent", f"cli/1 {SECRET}"),
                    (SECRET, "1"),
                ),
                body=json.dumps({"system": f"Use {SECRET}.", "é": SECRET}).encode(),
            ),
            Secrets(),
        ),
        recorded_at=None,
        secrets=Secrets(),
    )
    packed = recording.begin(
        Response(
            status=401,
            reason=f"No {SECRET}",
            headers=(
                ("content-type", "text/event-stream"),
                ("set-cookie", f"a={opaque[3]}"),
                ("request-id", SECRET),
                ("location", f"/login?next={quote(SECRET)}"),
            ),
            offset_ns=1,
        )
    )
    escaped = SECRET.replace("-", "\\u002d")
    packed += recording.feed(as_event(SECRET).encode(), 2)
    packed += recording.feed(
        b'event: message_start\ndata: {"type":"message_start","message":{"model":"%b",'
        b'"usage":{"%b":7}}}\n\n' % (escaped.encode(), escaped.encode()),
        3,
    )
    packed += recording.feed(f"data: {SECRET}".encode(), 4)
    packed += recording.end(EndReason.UPSTREAM_CUT, 5, detail=f"cut at {SECRET}")

    assert packed.startswith(MAGIC)
    for secret in (SECRET, *opaque):
        assert secret.encode() not in packed
    assert packed.count(REDACTED.encode()) >= 15


@pytest.mark.case(53)
@pytest.mark.parametrize("name", ["anthropic-ratelimit- x", "request-id\t", "", "é"])
def test_a_header_whose_name_is_none_is_not_replayed(name: str) -> None:
    assert replayed_headers(((name, "1"), ("request-id", "req_1")), Secrets()) == (
        ("request-id", "req_1"),
    )


@pytest.mark.case(73)
def test_a_request_that_repeats_a_cut_off_text_is_recorded_without_its_key() -> None:
    """A client sends back what a model said, up to its last token."""
    said = "the key is sk-ant-Qw7eRt9yUi"
    kept = ["sk-learn", "hf_transfer", 'a "sk-ant-Qw7eRt9" b', "eyJhbGciOiJIUzI1NiJ9"]
    body = json.dumps([said, *kept]).encode()

    clean = clean_request(
        Request(method="POST", target="/", headers=(), body=body), Secrets()
    )

    assert json.loads(clean.body) == [f"the key is sk-ant-{REDACTED}", *kept]
