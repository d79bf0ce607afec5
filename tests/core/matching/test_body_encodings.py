from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.body import decode_body
from streamtape.core.matching.key import match_input_of
from streamtape.core.model import Request, Response
from streamtape.core.recording import Recording
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets

BARE = zlib.compress(b"hello", wbits=-15)


def encoded(body: bytes, encoding: str) -> Request:
    return Request(
        method="POST",
        target="/v1/messages",
        headers=(("Content-Encoding", encoding), ("content-type", "text/plain")),
        body=body,
    )


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
    request = Request(method="POST", target="/", body=b"hello")

    assert decode_body(request, limit_bytes=1) is request


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate", "sk-ant-", "\n\ud800é"])
def test_a_key_in_a_body_that_cannot_be_decoded_is_in_no_stored_byte(
    encoding: str,
) -> None:
    """These codings keep short texts as they are, so that anyone could read the key."""
    key = b"sk-ant-api03-" + bytes(range(65, 90)) * 2
    packed = zlib.compressobj(0, wbits=31)
    body = packed.compress(key) + packed.flush()[:-3]
    assert key in body

    stored = clean_request(
        decode_body(encoded(body, encoding), limit_bytes=1000), Secrets()
    )

    recording = Recording(stored, recorded_at=None, match_key=None, secrets=Secrets())
    head = Response(status=200, reason="OK", headers=(), offset_ns=1)
    assert key[:30] not in recording.begin(head)
    assert stored.body.startswith(b"[not decoded: ")
    assert match_input_of(stored).key != match_input_of(replace(stored, body=b"")).key


@given(st.binary(max_size=50), st.integers(0, 60))
def test_a_body_is_decoded_up_to_the_limit(body: bytes, limit_bytes: int) -> None:
    request = encoded(gzip.compress(body), "gzip")

    decoded = decode_body(request, limit_bytes=limit_bytes)

    assert (decoded.body == body) == (len(body) <= limit_bytes)
    assert decoded.body == body or decoded.body.startswith(b"[not decoded: gzip, ")
