from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.bodies import (
    MAX_DEPTH,
    BodyKind,
    decode_body,
    find_parts,
    read_body,
)
from streamtape.core.matching.key import matched
from streamtape.core.model import Request, Response
from streamtape.core.recording import Recording
from streamtape.core.secrecy.heads import clean_request


def parse_json_body(request: Request) -> object | None:
    """
    Return a body that was read as JSON, else None.
    """
    kind, value = read_body(request)
    return value if kind is BodyKind.JSON else None


def post(body: bytes, media_type: str | None = "application/json") -> Request:
    headers = () if media_type is None else (("Content-Type", media_type),)
    return Request(method="POST", target="/v1/files", headers=headers, body=body)


def form(*parts: bytes, boundary: str = "b") -> Request:
    line = boundary.encode()
    body = b"".join(b"--%b\r\n%b\r\n" % (line, part) for part in parts)
    return post(
        body + b"--%b--\r\n" % line, f"multipart/form-data; boundary={boundary}"
    )


BARE = zlib.compress(b"hello", wbits=-15)


def encoded(body: bytes, encoding: str) -> Request:
    return Request(
        method="POST",
        target="/v1/messages",
        headers=(("Content-Encoding", encoding), ("content-type", "text/plain")),
        body=body,
    )


# JSON


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


# Multipart


def test_a_part_says_its_name_file_name_and_type() -> None:
    request = form(
        b'Content-Disposition: form-data; name="file"; filename="a b.txt"\r\n'
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n",
        b"content-disposition: form-data; name=purpose\r\n\r\nbatch",
        b"\r\n\x00\xff",
    )

    assert read_body(request) == (
        BodyKind.MULTIPART,
        {
            "parts": [
                {
                    "name": "file",
                    "filename": "a b.txt",
                    "content_type": "text/plain",
                    "content": "Hello\r\n",
                },
                {"name": "purpose", "content": "batch"},
                {
                    "content": {
                        "bytes": 2,
                        "sha256": hashlib.sha256(b"\x00\xff").hexdigest(),
                    }
                },
            ]
        },
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("été.txt".encode(), "été.txt", id="utf-8"),
        pytest.param(b"\xe9t\xe9.txt", "été.txt", id="latin-1"),
        pytest.param(b'a\\"b', 'a"b', id="quoted"),
    ],
)
def test_the_name_of_a_file_is_read_as_clients_write_it(
    name: bytes, expected: str
) -> None:
    part = b'Content-Disposition: form-data; filename="%b"\r\n\r\nx' % name

    assert read_body(form(part))[1] == {
        "parts": [{"filename": expected, "content": "x"}]
    }


def test_a_part_without_a_blank_line_is_all_content() -> None:
    assert read_body(form(b"one line"))[1] == {"parts": [{"content": "one line"}]}


def test_a_part_whose_headers_are_endless_is_all_content() -> None:
    part = b"Content-Disposition: form-data" + b";" * 1_000_000 + b"\r\n\r\nx"

    assert read_body(form(part))[1] == {"parts": [{"content": part.decode()}]}


def test_a_form_without_parts_has_none() -> None:
    assert find_parts(form()) == []
    assert read_body(form()) == (BodyKind.MULTIPART, {"parts": []})


def test_what_surrounds_the_parts_is_left_out() -> None:
    request = post(
        b"before\r\n--b \t\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nbehind",
        'multipart/mixed; charset=utf-8; Boundary="b"',
    )

    assert find_parts(request) == [b"\r\none", b"\r\ntwo"]


def test_a_boundary_within_a_line_does_not_cut() -> None:
    assert find_parts(form(b"\r\none --b two")) == [b"\r\none --b two"]


@pytest.mark.parametrize(
    "media_type",
    [
        pytest.param("multipart/form-data", id="no-boundary"),
        pytest.param('multipart/form-data; boundary=""', id="empty-boundary"),
        pytest.param("multipart/form-data; boundary=c", id="other-boundary"),
        pytest.param("text/plain; boundary=b", id="no-multipart"),
        pytest.param("multipart/form-data; boundary*=utf-8''b", id="extended"),
        pytest.param("multipart/form-data; boundary=\udcff", id="not-utf-8"),
    ],
)
def test_a_body_that_cannot_be_cut_is_its_text(media_type: str) -> None:
    request = post(b"--b\r\n\r\nx\r\n--b--", media_type)

    assert find_parts(request) is None
    assert read_body(request) == (BodyKind.RAW, request.body.decode())


def test_a_form_that_was_cut_short_is_its_text() -> None:
    request = post(b"--b\r\n\r\nx\r\n--b\r\n\r\ny", "multipart/form-data; boundary=b")

    assert read_body(request) == (BodyKind.RAW, request.body.decode())


# Content codings


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(b"hello"), id="gzip"),
        pytest.param(" X-GZip", gzip.compress(b"hello"), id="x-gzip"),
        pytest.param("deflate", zlib.compress(b"hello"), id="deflate"),
        pytest.param("deflate", BARE, id="deflate-without-its-frame"),
        pytest.param("identity", b"hello", id="identity"),
        pytest.param("", b"hello", id="empty"),
        pytest.param("identity, gzip", gzip.compress(b"hello"), id="list"),
        pytest.param("deflate,gzip", gzip.compress(BARE), id="one-in-another"),
        pytest.param(
            "gzip", gzip.compress(b"he") + gzip.compress(b"llo"), id="two-members"
        ),
        pytest.param("gzip", gzip.compress(b"hello") + bytes(9), id="padded"),
        pytest.param("deflate", zlib.compress(b"hello") + b"x", id="more-behind"),
    ],
)
def test_an_encoded_body_is_decoded_and_no_longer_says_so(
    encoding: str, body: bytes
) -> None:
    request = encoded(body, encoding)

    decoded = decode_body(request, limit_bytes=20)

    assert decoded.body == b"hello"
    assert decoded.headers == (("content-type", "text/plain"),)
    assert (decoded.method, decoded.target) == (request.method, request.target)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("br", b"\x0b\x02\x80hello\x03", id="unknown"),
        pytest.param("gzip", b"hello", id="not-gzip"),
        pytest.param("gzip", b"", id="nothing"),
        pytest.param("gzip", gzip.compress(b"hello")[:-4], id="cut-short"),
        pytest.param(
            "gzip", gzip.compress(b"hello") + gzip.compress(b"x")[:-1], id="member-cut"
        ),
        pytest.param("gzip", gzip.compress(b"") * 17, id="many-members"),
        pytest.param("gzip, gzip", gzip.compress(b"hello"), id="once-too-many"),
        pytest.param("gzip, br", gzip.compress(b"hello"), id="unknown-behind-known"),
        pytest.param(", ".join(["gzip"] * 9), gzip.compress(b"hello"), id="many"),
        pytest.param(
            "gzip", gzip.compress(b"x" * 60) + gzip.compress(b"x" * 60), id="in-sum"
        ),
        pytest.param("gzip", zlib.compress(b"hello"), id="other-format"),
        pytest.param("gzip", gzip.compress(b"x" * 101), id="longer-than-the-limit"),
        pytest.param("gzip", gzip.compress(bytes(50_000_000)), id="bomb"),
    ],
)
def test_what_cannot_be_decoded_becomes_its_digest(encoding: str, body: bytes) -> None:
    decoded = decode_body(encoded(body, encoding), limit_bytes=100)

    digest = hashlib.sha256(body).hexdigest()
    assert decoded.body == (
        f"[not decoded: {encoding[:40]}, {len(body)} bytes, sha256 {digest}]".encode()
    )
    assert decoded.headers == (("content-type", "text/plain"),)


def test_codings_in_several_headers_are_a_list() -> None:
    request = replace(
        encoded(b"", "deflate"),
        headers=(("content-encoding", "deflate"), ("Content-Encoding", "gzip")),
        body=gzip.compress(BARE),
    )

    assert decode_body(request, limit_bytes=20) == replace(
        request, headers=(), body=b"hello"
    )


def test_a_request_without_a_coding_is_returned_as_it_is() -> None:
    request = post(b"hello", "text/plain")

    assert decode_body(request, limit_bytes=1) is request


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate", "sk-ant-", "\n\ud800é"])
def test_a_key_in_a_body_that_cannot_be_decoded_is_in_no_stored_byte(
    encoding: str,
) -> None:
    """
    These codings keep short texts as they are, so that anyone could read the key.
    """
    key = b"sk-ant-api03-" + bytes(range(65, 90)) * 2
    packed = zlib.compressobj(0, wbits=31)
    body = packed.compress(key) + packed.flush()[:-3]
    assert key in body

    stored = clean_request(decode_body(encoded(body, encoding), limit_bytes=1000))

    recording = Recording(stored, recorded_at=None, match_key=None)
    head = Response(status=200, reason="OK", headers=(), offset_ns=1)
    assert key[:30] not in recording.begin(head)
    assert stored.body.startswith(b"[not decoded: ")
    assert matched(stored).key != matched(replace(stored, body=b"")).key


@given(st.binary(max_size=50), st.integers(0, 60))
def test_a_body_is_decoded_up_to_the_limit(body: bytes, limit_bytes: int) -> None:
    request = encoded(gzip.compress(body), "gzip")

    decoded = decode_body(request, limit_bytes=limit_bytes)

    assert (decoded.body == body) == (len(body) <= limit_bytes)
    assert decoded.body == body or decoded.body.startswith(b"[not decoded: gzip, ")
