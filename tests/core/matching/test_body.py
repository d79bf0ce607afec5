from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.body import MAX_DEPTH, BodyKind, map_texts, read_body
from streamtape.core.model import Request


def parse_json_body(request: Request) -> object | None:
    """Return a body that was read as JSON, else None."""
    kind, value = read_body(request)
    return value if kind is BodyKind.JSON else None


def post(body: bytes, media_type: str | None = "application/json") -> Request:
    headers = () if media_type is None else (("Content-Type", media_type),)
    return Request(method="POST", target="/v1/files", headers=headers, body=body)


@pytest.mark.parametrize(
    ("media_type", "is_json"),
    [
        pytest.param("application/json", True, id="json"),
        pytest.param("Application/JSON; charset=utf-8", True, id="json-parameters"),
        pytest.param("application/problem+json", True, id="json-suffix"),
        pytest.param(None, True, id="absent"),
        pytest.param("application/x-www-form-urlencoded", True, id="form"),
        pytest.param("text/plain", True, id="plain"),
        pytest.param("multipart/form-data; boundary=b", False, id="multipart"),
    ],
)
def test_an_object_is_json_whatever_its_media_type_but_for_parts(
    media_type: str | None, is_json: bool
) -> None:
    request = post(b' {"a": 1}', media_type)

    assert parse_json_body(request) == ({"a": 1} if is_json else None)


@pytest.mark.parametrize("body", [b"1.0", b'"a"', b"true", b"null"])
def test_a_scalar_is_json_only_where_the_media_type_says_so(body: bytes) -> None:
    assert read_body(post(body))[0] is BodyKind.JSON
    assert read_body(post(body, "text/plain")) == (BodyKind.RAW, body.decode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"1 2",
        b"NaN",
        b"[-Infinity]",
        b"[1e400]",
        b"[01]",
        b"{'a': 1}",
        b"[1,]",
        b'["\t"]',
        b"1" * 5000,
    ],
)
def test_a_body_that_is_no_json_is_its_text(body: bytes) -> None:
    assert read_body(post(body)) == (BodyKind.RAW, body.decode())


def test_a_body_that_is_no_text_is_its_digest() -> None:
    body = b'"\xff"'
    digest = hashlib.sha256(body).hexdigest()

    assert read_body(post(body)) == (BodyKind.RAW, {"bytes": 3, "sha256": digest})


def test_of_keys_that_occur_twice_the_last_counts() -> None:
    assert parse_json_body(post(b'{"a": 1, "a": {"b": 2, "b": 3}}')) == {"a": {"b": 3}}


def test_half_a_surrogate_pair_is_a_character_like_any_other() -> None:
    assert parse_json_body(post(rb'["\ud83d", "\ude00\ud83d"]')) == [
        "\ud83d",
        "\ude00\ud83d",
    ]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param("1.0", 1, id="no-fraction"),
        pytest.param("-0.0", 0, id="minus-zero"),
        pytest.param("15e-1", 1.5, id="exponent"),
        pytest.param("1e23", 10**23, id="beyond-doubles"),
        pytest.param("9007199254740993.0", 2**53 + 1, id="odd-beyond-2**53"),
        pytest.param("1" * 4000, int("1" * 4000), id="many-digits"),
        pytest.param("1e-400", 0, id="too-small"),
    ],
)
def test_a_number_without_a_fraction_is_an_int(
    number: str, expected: int | float
) -> None:
    value = parse_json_body(post(f"[{number}]".encode()))

    assert value == [expected]
    assert isinstance(value, list)
    assert type(value[0]) is type(expected)


def test_nesting_up_to_the_limit_is_json_and_beyond_it_text() -> None:
    at_limit = b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH
    objects = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH

    assert read_body(post(at_limit))[0] is BodyKind.JSON
    assert read_body(post(objects))[0] is BodyKind.JSON
    assert read_body(post(b"[" + at_limit + b"]"))[0] is BodyKind.RAW
    assert read_body(post(b"[" + objects + b"]"))[0] is BodyKind.RAW


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_nesting_beyond_what_the_parser_takes_is_text(opening: bytes) -> None:
    body = opening * 100_000

    assert read_body(post(body)) == (BodyKind.RAW, body.decode())


@given(st.binary())
def test_any_bytes_are_read_in_the_types_of_json(body: bytes) -> None:
    for media_type in ("application/json", "multipart/mixed; boundary=b", None):
        _, value = read_body(post(body, media_type))

        assert json.loads(json.dumps(value)) == value


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_every_string_of_a_value_is_changed_once(value: Any) -> None:
    changed = map_texts({"k": value}, lambda text: text + "!")

    assert map_texts(changed, lambda text: text[:-1]) == {"k": value}
