from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from streamtape.core.format.frames import MAGIC
from streamtape.core.model import EndReason, Headers, Request, Response
from streamtape.core.recording import Recording
from streamtape.core.secrecy.redaction import (
    HOP_BY_HOP,
    REDACTED,
    clean_bytes,
    clean_request,
    clean_response,
    clean_text,
    replayed_headers,
)

LETTERS = "Ab3dE_fGhIjK7lMn-OpQrStUvWx9YzAb3dEfGh"
PLAIN = "Ab3dEfGhIjK7lMnOpQrStUvWx9YzAb3dEfGh5678"
SECRETS = {
    "anthropic": f"sk-ant-api03-{LETTERS}AA",
    "anthropic-admin": f"sk-ant-admin01-{LETTERS}",
    "anthropic-oauth": f"sk-ant-oat01-{LETTERS}",
    "anthropic-short": "sk-ant-0123456789abc",
    "openai": f"sk-{PLAIN}",
    "openai-project": f"sk-proj-{LETTERS}",
    "openrouter": f"sk-or-v1-{PLAIN}",
    "aws-id": "AKIAIOSFODNN7EXAMPLE",
    "aws-session-id": "ASIAIOSFODNN7EXAMPLE",
    "github": f"ghp_{PLAIN}",
    "github-server": f"ghs_{PLAIN}",
    "github-fine": f"github_pat_{LETTERS.replace('-', '_')}",
    "google": f"AIza{LETTERS[:35]}",
    "slack": "xoxb-123456789012-abcdefABCDEF",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27",
}
KEPT_WORDS = {
    "bearer": ("Bearer ", f"t0ken.{PLAIN}"),
    "aws-signature": ("X-Amz-Signature=", "0123456789abcdef" * 4),
    "aws-token": ("X-Amz-Security-Token=", f"IQoJb3%2F{PLAIN}%3D"),
}
PEM = (
    f"-----BEGIN RSA PRIVATE KEY-----\n{PLAIN}\n{PLAIN}=\n-----END RSA PRIVATE KEY-----"
)
SECRET = SECRETS["anthropic"]


HIDDEN = SECRET.replace("-", "%2D").replace("a", "%61")


def as_event(secret: str) -> str:
    text = json.dumps({"type": "text_delta", "text": f"It is {secret}."})
    return f"event: content_block_delta\ndata: {text}\n\n"


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize(
    "around",
    [
        pytest.param("{}", id="alone"),
        pytest.param("the key {} and more", id="prose"),
        pytest.param("It is {}.", id="end-of-sentence"),
        pytest.param('{{"api_key":"{}"}}', id="json"),
        pytest.param("KEY={}", id="assignment"),
        pytest.param("line\n{}\n", id="own-line"),
        pytest.param("line\\n{}\\n", id="json-line"),
        pytest.param("a\\t{}", id="json-tab"),
        pytest.param("\\u201c{}\\u201d", id="json-quotes"),
        pytest.param("é{}é", id="letters-of-others"),
        pytest.param("%20{}%20", id="url-blank"),
        pytest.param("key%3D{}", id="url-equals"),
        pytest.param("https://user:{}@host/", id="url-user"),
    ],
)
def test_a_key_is_replaced_wherever_it_stands(secret: str, around: str) -> None:
    """
    What is around it stays.
    """
    assert clean_text(around.format(secret)) == around.format(REDACTED)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_key_in_an_event_leaves_the_event_valid(secret: str) -> None:
    assert clean_text(as_event(secret)) == as_event(REDACTED)


@pytest.mark.parametrize(("word", "secret"), KEPT_WORDS.values(), ids=KEPT_WORDS)
def test_the_word_before_a_secret_stays(word: str, secret: str) -> None:
    assert clean_text(f"a {word}{secret} b") == f"a {word}{REDACTED} b"


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(PEM, id="as-it-is"),
        pytest.param(PEM.replace("\n", "\\n"), id="in-json"),
        pytest.param(PEM.replace("RSA ", ""), id="pkcs8"),
        pytest.param(PEM.rpartition("\n")[0], id="without-its-end"),
    ],
)
def test_a_private_key_is_replaced_whole(pem: str) -> None:
    assert clean_text(f'{{"a":"{pem}') == f'{{"a":"{REDACTED}'


def test_many_keys_are_each_replaced() -> None:
    text = " ".join(SECRETS.values())

    assert clean_text(text) == " ".join([REDACTED] * len(SECRETS))


def test_what_is_clean_stays_as_it_is() -> None:
    once = clean_text(f"{SECRET} Bearer t0ken{PLAIN} ?token={SECRET}")

    assert clean_text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "task-management, disk-usage-monitoring-tool, Bearer authentication",
            id="words",
        ),
        pytest.param("risk-ant-hill-observation-programme", id="dashed-words"),
        pytest.param("the Bearer authentication-scheme-of-the-framework", id="bearer"),
        pytest.param("mask-0123456789abcdef0123456789abcdef", id="word-and-digits"),
        pytest.param("sk-ant-… and sk-ant-api03-", id="placeholder"),
        pytest.param("AKIA and ASIA are prefixes; ghp_ and xoxb- too", id="prefixes"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9 is no token", id="part-of-a-token"),
        pytest.param("-----BEGIN CERTIFICATE-----", id="certificate"),
        pytest.param("-----BEGIN PUBLIC KEY-----", id="public-key"),
        pytest.param(f"Z29sZA/AIza{PLAIN}", id="google-in-base64"),
        pytest.param("msg_01XFDUDYJgAACzvnptvVoYEL", id="message-id"),
        pytest.param("toolu_01T1x1fJ34qAmk2tNTrN7Up6", id="tool-id"),
        pytest.param("req_011CSHoEeqs5C35K2UUqR7Fy", id="request-id"),
        pytest.param("claude-opus-4-5-20251101", id="model"),
        pytest.param("550e8400-e29b-41d4-a716-446655440000", id="uuid"),
    ],
)
def test_what_is_no_key_stays(text: str) -> None:
    assert clean_text(text) == text
    assert clean_text(as_event(text)) == as_event(text)


def test_signatures_stay_whatever_letters_they_hold() -> None:
    """
    Clients send them back, and one changed letter makes them void.
    """
    rng = random.Random(1)
    for word in (b"AIza", b"eyJ", b"sk", b"xox", b"ghp", b"Bearer"):
        for _ in range(200):
            text = base64.b64encode(rng.randbytes(90)) + word
            text += base64.b64encode(rng.randbytes(90))
            event = b'data: {"type":"signature_delta","signature":"%b"}\n\n' % text
            assert clean_bytes(event) == event


def test_bytes_that_are_no_text_stay() -> None:
    raw = bytes(range(256)) * 3

    assert clean_bytes(raw) == raw
    assert clean_bytes(raw + SECRET.encode()) == raw + REDACTED.encode()


def test_text_that_was_no_utf_8_can_be_written() -> None:
    """
    As header values are decoded; what can't be a text is marked.
    """
    wire = b"caf\xe9 \xe9" + SECRET.encode()

    text = clean_text(wire.decode(errors="surrogateescape"))

    assert text == f"caf\ufffd \ufffd{REDACTED}"


def request(
    *headers: tuple[str, str], target: str = "/v1/messages", body: bytes = b""
) -> Request:
    return clean_request(
        Request(method="POST", target=target, headers=headers, body=body)
    )


def response(*headers: tuple[str, str], reason: str = "OK") -> Response:
    return clean_response(
        Response(status=200, reason=reason, headers=headers, offset_ns=1)
    )


def test_of_a_requests_headers_only_harmless_values_are_kept() -> None:
    """
    The names stay in their order and case.
    """
    kept = [
        ("Accept", "text/event-stream"),
        ("anthropic-version", "2023-06-01"),
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
    assert replayed_headers(cleaned.headers) == (
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


def escape_dashes(text: str) -> str:
    return text.replace("-", "\\u002d")


def escape_all(text: str) -> str:
    return "".join(f"\\u{ord(char):04X}" for char in text)


def escape_twice(text: str) -> str:
    return escape_all(text).replace("\\", "\\\\")


@pytest.mark.parametrize("escape", [escape_dashes, escape_all, escape_twice])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_key_that_is_escaped_in_json_is_replaced(
    secret: str, escape: Callable[[str], str]
) -> None:
    body = f'{{"é": ["\\u00e9\\n\\"\\\\ {escape(secret)}!", 1.0]}}'

    cleaned = request(body=body.encode()).body

    assert json.loads(cleaned) == {"é": [f'é\n"\\ {REDACTED}!', 1]}
    assert request(body=cleaned).body == cleaned


def test_a_key_with_escaped_slashes_is_replaced() -> None:
    cleaned = request(body=rb'["Bearer a1b2c3\/d4e5f6\/a1b2c3\/d4", "a\/b"]').body

    assert json.loads(cleaned) == [f"Bearer {REDACTED}", "a/b"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"a": "\u002d\u0041\/b\\u002d", "b": "\u00e9\ud83d"}',
        rb"C:\users\u0041\/",
        b"\\u00\xff\\/",
    ],
)
def test_escapes_that_hide_no_key_stay_as_they_are(body: bytes) -> None:
    assert request(body=body).body == body


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

    assert replayed_headers(headers + kept) == kept


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
            )
        ),
        recorded_at=None,
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
    assert replayed_headers(((name, "1"), ("request-id", "req_1"))) == (
        ("request-id", "req_1"),
    )


def test_any_text_can_be_cleaned() -> None:
    """
    Half of a pair stands for no character, and some others for bytes that are none.
    """
    for half in ("\ud800", "\udcff"):
        cleaned = clean_text(f"a {half} b {SECRET}")

        assert cleaned.startswith("a ")
        assert cleaned.endswith(f" b {REDACTED}")
        assert cleaned.encode()
