"""Streams that are no server-sent events: cut anywhere, their events are the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign import amazon_frame, bedrock_chunk, connect_frame
from streamtape.core.stream_formats import (
    StreamFormat,
    format_of,
    payload_of,
    splitter_of,
    with_payload,
)

VALUES: Final = [
    {"text": 'a "quoted" {brace} [bracket] \\'},
    {"text": "", "nested": [[{"a": []}], {}]},
    {"text": "é😀 and \\\\ more"},
]
LINES: Final = [json.dumps(value).encode() + b"\n" for value in VALUES]
ARRAY: Final = [
    (b"[" if number == 0 else b"\n,\r\n") + json.dumps(value, indent=1).encode()
    for number, value in enumerate(VALUES)
]
AMAZON: Final = [
    amazon_frame(json.dumps(VALUES[0]).encode(), event_type="chunk"),
    bedrock_chunk(VALUES[1]),
    amazon_frame(b'{"message":"slow down"}', exception="throttlingException"),
    amazon_frame(b""),
]
CONNECT: Final = [
    *(connect_frame(json.dumps(value).encode()) for value in VALUES),
    connect_frame(b"{}", flags=2),
]
BODIES: Final = [
    pytest.param(StreamFormat.LINES, LINES, b"", id="lines"),
    pytest.param(StreamFormat.LINES, LINES, b'{"cut', id="lines-cut"),
    pytest.param(
        StreamFormat.LINES, [b"\x1e" + each for each in LINES], b"", id="json-seq"
    ),
    pytest.param(StreamFormat.ARRAY, ARRAY, b"\n]\n", id="array"),
    pytest.param(StreamFormat.ARRAY, ARRAY, b',{"a":"]}', id="array-cut"),
    pytest.param(StreamFormat.AMAZON, AMAZON, b"", id="amazon"),
    pytest.param(StreamFormat.AMAZON, AMAZON, AMAZON[0][:-1], id="amazon-cut"),
    pytest.param(StreamFormat.CONNECT, CONNECT, b"\0", id="connect-cut"),
]


@pytest.mark.parametrize(
    ("media_type", "stream_format"),
    [
        ("application/x-ndjson", StreamFormat.LINES),
        ("application/ndjson", StreamFormat.LINES),
        ("application/jsonl", StreamFormat.LINES),
        ("application/x-jsonlines", StreamFormat.LINES),
        ("text/x-ndjson", StreamFormat.LINES),
        ("application/stream+json", StreamFormat.LINES),
        ("application/json-seq", StreamFormat.LINES),
        ("application/geo+json-seq", StreamFormat.LINES),
        ("application/json", StreamFormat.ARRAY),
        ("application/problem+json", StreamFormat.ARRAY),
        ("application/vnd.amazon.eventstream", StreamFormat.AMAZON),
        ("application/connect+json", StreamFormat.CONNECT),
        ("application/connect+proto", StreamFormat.NONE),
        ("audio/mpeg", StreamFormat.NONE),
        ("text/plain", StreamFormat.NONE),
        ("", StreamFormat.NONE),
    ],
)
def test_a_media_type_tells_the_framing(
    media_type: str, stream_format: StreamFormat
) -> None:
    assert format_of(media_type) is stream_format


def cuts(body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    yield [body[at : at + 1] for at in range(len(body))]
    dice = Random(5)
    for _ in range(50):
        ends = sorted(dice.choices(range(len(body) + 1), k=5))
        yield [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]


@pytest.mark.parametrize(("stream_format", "frames", "rest"), BODIES)
def test_a_body_is_cut_into_its_frames_however_it_comes(
    stream_format: StreamFormat, frames: list[bytes], rest: bytes
) -> None:
    for chunks in cuts(b"".join(frames) + rest):
        splitter = splitter_of(stream_format)

        found = [frame for chunk in chunks for frame in splitter.feed(chunk)]

        assert found == frames
        assert splitter.rest == rest


@pytest.mark.parametrize(("stream_format", "frames", "rest"), BODIES)
def test_a_frame_with_its_own_payload_is_the_same(
    stream_format: StreamFormat, frames: list[bytes], rest: bytes
) -> None:
    for frame in frames:
        assert (
            with_payload(frame, payload_of(frame, stream_format), stream_format)
            == frame
        )


_json = st.recursive(
    st.sampled_from(['a"b', "{[", "\\", "x]}", "é", "", 1, 0.5, None, True]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", '"', "[", "}"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_elements = st.lists(
    st.lists(_json, max_size=2) | st.dictionaries(st.text(max_size=2), _json),
    min_size=1,
)


@given(_elements, st.sampled_from([None, 1]), st.randoms(use_true_random=False))
def test_the_elements_of_any_array_are_its_events(
    elements: list[object], indent: int | None, dice: Random
) -> None:
    body = json.dumps(elements, indent=indent, ensure_ascii=False).encode()
    splitter = splitter_of(StreamFormat.ARRAY)

    events = []
    while body:
        size = dice.randrange(1, 9)
        events += splitter.feed(body[:size])
        body = body[size:]

    read = [json.loads(payload_of(event, StreamFormat.ARRAY)) for event in events]
    assert read == elements
    assert splitter.rest.strip() == b"]"


def test_payloads_are_what_frames_carry() -> None:
    read = [json.loads(payload_of(line, StreamFormat.LINES)) for line in LINES]
    assert read == VALUES
    assert [
        json.loads(payload_of(each, StreamFormat.ARRAY)) for each in ARRAY
    ] == VALUES
    assert json.loads(payload_of(AMAZON[0], StreamFormat.AMAZON)) == VALUES[0]
    # What Bedrock's invoke wraps in base64, the padding beside it left out.
    assert json.loads(payload_of(AMAZON[1], StreamFormat.AMAZON)) == VALUES[1]
    assert payload_of(AMAZON[3], StreamFormat.AMAZON) == b""
    assert json.loads(payload_of(CONNECT[0], StreamFormat.CONNECT)) == VALUES[0]
    # Compressed, or no frame: nothing that anybody could read.
    assert payload_of(connect_frame(b"{}", flags=1), StreamFormat.CONNECT) == b""
    assert payload_of(b"junk", StreamFormat.AMAZON) == b""


@pytest.mark.parametrize("size", [0, 3, 70_000])
def test_another_payload_gets_new_lengths_and_checksums(size: int) -> None:
    payload = json.dumps({"text": "x" * size}).encode()

    assert with_payload(AMAZON[0], payload, StreamFormat.AMAZON) == amazon_frame(
        payload, event_type="chunk"
    )
    wrapped = bedrock_chunk(VALUES[1])
    again = with_payload(wrapped, payload, StreamFormat.AMAZON)
    assert payload_of(again, StreamFormat.AMAZON) == payload
    assert splitter_of(StreamFormat.AMAZON).feed(again) == [again]
    assert with_payload(CONNECT[0], payload, StreamFormat.CONNECT) == connect_frame(
        payload
    )


@pytest.mark.parametrize("stream_format", [StreamFormat.AMAZON, StreamFormat.CONNECT])
def test_what_can_be_no_frame_is_given_back_as_it_comes(
    stream_format: StreamFormat,
) -> None:
    frames = AMAZON if stream_format is StreamFormat.AMAZON else CONNECT
    splitter = splitter_of(stream_format)

    junk = b"<html>" + b"\xff" * 20
    assert splitter.feed(frames[0] + junk) == [frames[0], junk]
    assert splitter.feed(b"and more") == [b"and more"]
    assert splitter.rest == b""


def test_no_framing_has_no_splitter() -> None:
    with pytest.raises(ValueError, match="NONE"):
        splitter_of(StreamFormat.NONE)
