from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable

import pytest

from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import (
    REDACTED,
    clean_bytes,
    clean_strings,
    clean_text,
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
    "bearer-lower": ("bearer ", f"t0ken.{PLAIN}"),
    "bearer-upper": ("BEARER ", f"t0ken.{PLAIN}"),
    "aws-signature-lower": ("x-amz-signature=", "0123456789abcdef" * 4),
    "aws-signature-digits": ("X-Amz-Signature=", "0123456789ABCDEF" * 4),
    "aws-token-lower": ("x-amz-security-token=", f"IQoJb3%2F{PLAIN}%3D"),
    "aws-token-header": ("x-amz-security-token: ", f"IQoJb3/{PLAIN}="),
    "aws-token-json": ('"X-Amz-Security-Token": "', f"IQoJb3/{PLAIN}="),
    "aws-token-json-in-json": ('\\"x-amz-security-token\\":\\"', f"IQoJ{PLAIN}="),
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
    """What is around it stays."""
    assert clean_text(around.format(secret), Secrets()) == around.format(REDACTED)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_key_in_an_event_leaves_the_event_valid(secret: str) -> None:
    assert clean_text(as_event(secret), Secrets()) == as_event(REDACTED)


@pytest.mark.parametrize(("word", "secret"), KEPT_WORDS.values(), ids=KEPT_WORDS)
def test_the_word_before_a_secret_stays(word: str, secret: str) -> None:
    assert clean_text(f"a {word}{secret} b", Secrets()) == f"a {word}{REDACTED} b"


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
    assert clean_text(f'{{"a":"{pem}', Secrets()) == f'{{"a":"{REDACTED}'


def test_many_keys_are_each_replaced() -> None:
    text = " ".join(SECRETS.values())

    assert clean_text(text, Secrets()) == " ".join([REDACTED] * len(SECRETS))


def test_what_is_clean_stays_as_it_is() -> None:
    once = clean_text(f"{SECRET} Bearer t0ken{PLAIN} ?token={SECRET}", Secrets())

    assert clean_text(once, Secrets()) == once


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
        pytest.param("claude-demo-9-5-20261101", id="model"),
        pytest.param("550e8400-e29b-41d4-a716-446655440000", id="uuid"),
    ],
)
def test_what_is_no_key_stays(text: str) -> None:
    assert clean_text(text, Secrets()) == text
    assert clean_text(as_event(text), Secrets()) == as_event(text)


def test_signatures_stay_whatever_letters_they_hold() -> None:
    """Clients send them back, and one changed letter makes them void."""
    rng = random.Random(1)
    for word in (b"AIza", b"eyJ", b"sk", b"xox", b"ghp", b"Bearer"):
        for _ in range(200):
            text = base64.b64encode(rng.randbytes(90)) + word
            text += base64.b64encode(rng.randbytes(90))
            event = b'data: {"type":"signature_delta","signature":"%b"}\n\n' % text
            assert clean_bytes(event, Secrets()) == event


def test_bytes_that_are_no_text_stay() -> None:
    raw = bytes(range(256)) * 3

    assert clean_bytes(raw, Secrets()) == raw
    assert clean_bytes(raw + SECRET.encode(), Secrets()) == raw + REDACTED.encode()


def test_text_that_was_no_utf_8_can_be_written() -> None:
    """As header values are decoded; what can't be a text is marked."""
    wire = b"caf\xe9 \xe9" + SECRET.encode()

    text = clean_text(wire.decode(errors="surrogateescape"), Secrets())

    assert text == f"caf\ufffd \ufffd{REDACTED}"


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

    cleaned = clean_strings(body.encode(), Secrets())

    assert json.loads(cleaned) == {"é": [f'é\n"\\ {REDACTED}!', 1]}
    assert clean_strings(cleaned, Secrets()) == cleaned


def test_a_key_with_escaped_slashes_is_replaced() -> None:
    cleaned = clean_strings(
        rb'["Bearer a1b2c3\/d4e5f6\/a1b2c3\/d4", "a\/b"]', Secrets()
    )

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
    assert clean_strings(body, Secrets()) == body


def test_any_text_can_be_cleaned() -> None:
    """
    Half of a pair stands for no character, and some others for bytes that are none.
    """
    for half in ("\ud800", "\udcff"):
        cleaned = clean_text(f"a {half} b {SECRET}", Secrets())

        assert cleaned.startswith("a ")
        assert cleaned.endswith(f" b {REDACTED}")
        assert cleaned.encode()


@pytest.mark.case(73)
def test_a_short_secret_is_found_far_from_any_long_word() -> None:
    secrets = Secrets()
    secrets.add("abcdef78")
    far = " words " * 500

    cleaned = clean_text(f"{'a' * 30}{far}abcdef78{far}", secrets)

    assert cleaned == f"{'a' * 30}{far}{REDACTED}{far}"
