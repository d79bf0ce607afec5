"""
Secrets that were seen: which are remembered, and in which spellings they are found.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from streamtape.core.model import Headers, Request
from streamtape.core.redaction.rules import has_long_run
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED, clean_text

KEY = "corp.7f3a-QQ/secret+value=1"
BASIC = base64.b64encode(f"user:{KEY}".encode()).decode()

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda key: key,
    "json": lambda key: key.replace("/", "\\/"),
    "url": lambda key: quote(key, safe=""),
    "url-path": quote,
    "url-lower": lambda key: quote(key, safe="").replace("%2F", "%2f"),
    "hex": lambda key: key.encode().hex(),
    "hex-upper": lambda key: key.encode().hex().upper(),
    "reversed": lambda key: key[::-1],
}


def is_known(text: str, secrets: Secrets) -> bool:
    raw = text.encode()
    return bool(secrets.known.spellings_in(raw, has_run=has_long_run(raw)))


@pytest.mark.case(71)
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_found_in_each_spelling(spell: Callable[[str], str]) -> None:
    secrets = Secrets()
    secrets.add(KEY)
    if spell is SPELLINGS["url-lower"]:
        spelled = quote(KEY, safe="")
        for escape in ("%2F", "%2B", "%3D"):
            spelled = spelled.replace(escape, escape.lower())
    else:
        spelled = spell(KEY)

    assert clean_text(f"<{spelled}>", secrets) == f"<{REDACTED}>"


@pytest.mark.case(71)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:", '{"key":"'])
@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
def test_of_a_secret_in_base64_an_edge_is_left(
    before: str, alphabet: Callable[[bytes], bytes]
) -> None:
    """Whatever stands before and behind it; the edge tells less than a character."""
    secrets = Secrets()
    secrets.add(KEY)
    encoded = alphabet(f"{before}{KEY}~behind".encode()).decode()

    cleaned = clean_text(encoded, secrets)

    left, _, right = cleaned.partition(REDACTED)
    assert REDACTED in cleaned
    assert len(left) <= (len(before) * 8 + 5) // 6
    assert len(right) <= len("~behind") * 8 // 6 + 4


@pytest.mark.case(73)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("x-api-key", KEY),), id="key"),
        pytest.param((("X-Goog-Api-Key", KEY),), id="other-key"),
        pytest.param((("Authorization", f"Bearer {KEY}"),), id="bearer"),
        pytest.param((("authorization", KEY),), id="no-scheme"),
        pytest.param((("authorization", f"basic {BASIC}"),), id="basic"),
        pytest.param((("Proxy-Authorization", f"Basic {BASIC}"),), id="proxy"),
        pytest.param((("cookie", f"a=b; session={KEY}; c"),), id="cookie"),
        pytest.param((("x-amz-security-token", KEY),), id="aws"),
        pytest.param((("x-corp-secret", f" {KEY} "),), id="own"),
    ],
)
def test_the_secrets_of_headers_are_remembered(headers: Headers) -> None:
    secrets = Secrets()
    secrets.remember_request(
        Request(method="POST", target="/", headers=headers, body=b"")
    )

    assert is_known(f"it is {KEY}.", secrets)


@pytest.mark.case(73)
def test_the_secrets_of_a_query_are_remembered() -> None:
    secrets = Secrets()
    target = f"/v1?page=pages-1-to-20&api_key={quote(KEY, safe='')}"
    secrets.remember_request(
        Request(method="POST", target=target, headers=(), body=b"")
    )

    assert is_known(KEY, secrets)
    assert not is_known("pages-1-to-20", secrets)


def test_the_keys_of_the_environment_are_remembered() -> None:
    secrets = Secrets()
    secrets.remember_environment(
        {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "", "A": "1"}
    )

    assert is_known(KEY, secrets)


def test_harmless_headers_are_no_secrets() -> None:
    secrets = Secrets()
    headers = (("user-agent", "streamtape-tests/1.0"), ("x-told", "a-word-of-7"))
    secrets.remember_request(
        Request(method="POST", target="/", headers=headers, body=b"")
    )

    assert not is_known("streamtape-tests/1.0 a-word-of-7", secrets)


@pytest.mark.case(74)
@pytest.mark.parametrize(
    "value",
    ["", "a", "abcde7f", "1234567", "password", "authentication", "a" * 19, "1" * 4097],
)
def test_what_is_short_or_a_word_is_not_remembered(value: str) -> None:
    """Nor what is longer than any key."""
    secrets = Secrets()
    secrets.add(value)

    assert clean_text(f"a {value} b", secrets) == f"a {value} b"


@pytest.mark.case(74)
@pytest.mark.parametrize("value", ["abcdef78", "a" * 20, "7" * 8])
def test_the_shortest_secrets_are_remembered(value: str) -> None:
    secrets = Secrets()
    secrets.add(value)

    assert clean_text(f"a {value} b", secrets) == f"a {REDACTED} b"


@pytest.mark.case(74)
@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_secrets_the_longer_is_replaced_whole(turn: int) -> None:
    secrets = Secrets()
    for value in ["corp7-alpha", "corp7-alpha-bravo"][::turn]:
        secrets.add(value)

    cleaned = clean_text("corp7-alpha-bravo corp7-alpha corp7-alph", secrets)

    assert cleaned == f"{REDACTED} {REDACTED} corp7-alph"


def see(value: str, secrets: Secrets) -> None:
    headers = (("x-api-key", value),)
    secrets.remember_request(
        Request(method="POST", target="/", headers=headers, body=b"")
    )


def test_the_last_secrets_of_clients_are_remembered() -> None:
    """One that is seen again counts as the last."""
    secrets = Secrets()
    first, second = "secret-number-1", "secret-number-2"
    see(first, secrets)
    see(second, secrets)
    for number in range(63):
        if number == 40:
            see(first, secrets)
        see(f"another-secret-{number}", secrets)

    assert is_known(first, secrets)
    assert not is_known(second, secrets)


@pytest.mark.case(71)
@pytest.mark.parametrize("is_seen_first", [True, False])
def test_a_secret_of_this_process_is_never_forgotten(is_seen_first: bool) -> None:
    """Its token, and what its environment holds, however many keys clients send."""
    secrets = Secrets()
    own, other = "token-of-this-server-1", "key-of-the-environment-1"
    if is_seen_first:
        see(own, secrets)
    secrets.add(own)
    secrets.remember_environment({"ANTHROPIC_API_KEY": other})
    for number in range(100):
        see(own, secrets)
        see(f"another-secret-{number}", secrets)

    assert is_known(own, secrets)
    assert is_known(other, secrets)
    assert secrets.values[:2] == [own, other]
    assert len(secrets.values) == 2 + 64


def test_a_secret_that_is_no_text_is_remembered() -> None:
    secrets = Secrets()
    value = b"corp-\xe9-12345678".decode(errors="surrogateescape")
    secrets.add(value)

    assert secrets.known.spellings_in(b"a corp-\xe9-12345678 b", has_run=False)


def test_a_secret_with_quotes_is_found_in_json() -> None:
    secrets = Secrets()
    value = 'corp"7\\e/12345'
    secrets.add(value)

    assert is_known(json.dumps({"message": f"no {value}"}), secrets)


def test_what_one_remembers_another_does_not() -> None:
    """Two servers of one process each keep their own clients' secrets."""
    one, other = Secrets(), Secrets()
    see(KEY, one)

    assert is_known(KEY, one)
    assert not is_known(KEY, other)


def test_the_beginnings_of_secrets_and_of_keys_are_found() -> None:
    secrets = Secrets()
    before = secrets.known.beginnings
    secrets.add("corp7-alpha-bravo")
    after = secrets.known.beginnings

    assert after.search(b"a corp")
    assert after.search(b"a corp", 6 - after.reach)
    assert not before.search(b"a corp")
    assert after.search(b"a sk-")
    assert not after.search(b"a text of words")


@pytest.mark.parametrize(
    "header", [("cookie", "day=20261122; theme=dark"), ("x-amz-date", "20261122T00Z")]
)
def test_a_day_in_a_header_is_no_secret(header: tuple[str, str]) -> None:
    secrets = Secrets()
    secrets.remember_request(
        Request(method="POST", target="/v1/messages", headers=(header,))
    )

    assert not secrets.known.spellings_in(b"on 20261122T00Z", has_run=True)
