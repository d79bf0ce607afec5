"""Bodies that come compressed: what is whole, what was cut short, what is none."""

from __future__ import annotations

import gzip
import zlib

import pytest

from streamtape.core.inflate import Inflater

BODY = b"It was a long night. " * 9000
"""More than a chunk holds."""


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def inflate(inflater: Inflater, *blocks: bytes) -> bytes:
    """Put blocks in, and return all that they mean, chunk by chunk."""
    body = b""
    for block in blocks:
        inflater.put(block)
        while chunk := inflater.take():
            assert len(chunk) <= 64 * 1024
            body += chunk
    return body


PACKED = [
    pytest.param("gzip", gzip.compress(BODY), id="gzip"),
    pytest.param(
        "x-gzip", gzip.compress(BODY[:99]) + gzip.compress(BODY[99:]), id="members"
    ),
    pytest.param("deflate", zlib.compress(BODY), id="deflate"),
    pytest.param("deflate", raw_deflate(BODY), id="bare-deflate"),
]


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
@pytest.mark.parametrize("size", [1, 7, 10**6], ids=["bytewise", "sevens", "whole"])
def test_a_body_is_what_it_was_however_it_comes(
    encoding: str, packed: bytes, size: int
) -> None:
    inflater = Inflater(encoding)
    blocks = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert inflate(inflater, *blocks) == BODY
    assert inflater.is_whole


@pytest.mark.parametrize(("encoding", "packed"), PACKED)
def test_a_body_that_was_cut_short_is_not_whole(encoding: str, packed: bytes) -> None:
    inflater = Inflater(encoding)

    assert BODY.startswith(inflate(inflater, packed[:-1]))
    assert not inflater.is_whole


def test_a_body_without_a_byte_is_whole() -> None:
    assert Inflater("gzip").is_whole


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_was_never_encoded_so_is_an_error(encoding: str) -> None:
    with pytest.raises(zlib.error):
        inflate(Inflater(encoding), b"\x07" + b"plain text")


def test_what_follows_the_last_member_is_dropped() -> None:
    inflater = Inflater("gzip")

    assert inflate(inflater, gzip.compress(BODY) + b"junk", b"more junk") == BODY
    assert inflater.is_whole


def test_members_can_be_bounded() -> None:
    """At the end of each one what is left is copied."""
    four = gzip.compress(b"a") * 4

    assert inflate(Inflater("gzip", most_members=4), four) == b"aaaa"
    with pytest.raises(zlib.error, match="too many members"):
        inflate(Inflater("gzip", most_members=3), four)
