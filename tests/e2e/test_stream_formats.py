"""Streams that are no server-sent events: one event a part, its bytes and its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import streamtape
from e2e.here import run_here
from e2e.runs import read_library
from e2e.wire import Answer, Ending, ask
from foreign import amazon_frame, bedrock_chunk, connect_frame
from streamtape.testing import FakeUpstream, Write, raw_reply

_STEP_NS: Final = 20_000_000
_WORDS: Final = [f"word {number} " for number in range(6)]
_KEY: Final = "sk-ant-api03-" + "Qw7xY9z" * 10

Wrap = Callable[[list[str]], list[bytes]]


def ollama(texts: list[str]) -> list[bytes]:
    values = [{"message": {"content": text}, "done": False} for text in texts]
    return [json.dumps(value).encode() + b"\n" for value in values]


def gemini(texts: list[str]) -> list[bytes]:
    chunks = []
    for number, text in enumerate(texts):
        value = {"candidates": [{"content": {"parts": [{"text": text}]}}]}
        before = b"\n,\r\n" if number else b"["
        chunks.append(before + json.dumps(value, indent=1).encode())
    return [*chunks, b"\n]\n"]


def converse(texts: list[str]) -> list[bytes]:
    return [
        amazon_frame(
            json.dumps({"contentBlockIndex": 0, "delta": {"text": text}}).encode(),
            event_type="contentBlockDelta",
        )
        for text in texts
    ]


def invoke(texts: list[str]) -> list[bytes]:
    return [
        bedrock_chunk(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
        )
        for text in texts
    ]


def connect(texts: list[str]) -> list[bytes]:
    messages = [connect_frame(json.dumps({"text": text}).encode()) for text in texts]
    return [*messages, connect_frame(b"{}", flags=2)]


def audio(texts: list[str]) -> list[bytes]:
    return [bytes([255, 0, number]) * 40 for number, _ in enumerate(texts)]


STREAMS: Final[dict[str, tuple[str, Wrap]]] = {
    "ollama": ("application/x-ndjson", ollama),
    "gemini": ("application/json; charset=UTF-8", gemini),
    "converse": ("application/vnd.amazon.eventstream", converse),
    "invoke": ("application/vnd.amazon.eventstream", invoke),
    "connect": ("application/connect+json", connect),
    "audio": ("audio/mpeg", audio),
}
streams = pytest.mark.parametrize("name", STREAMS)


def record(folder: Path, name: str, texts: list[str]) -> tuple[Answer, list[bytes]]:
    content_type, wrap = STREAMS[name]
    events = wrap(texts)
    writes = [Write(number * _STEP_NS, raw) for number, raw in enumerate(events)]
    reply = raw_reply(writes, content_type=content_type)
    with (
        FakeUpstream([reply]) as upstream,
        streamtape.record(folder, upstream=upstream.url) as recorder,
    ):
        return ask(recorder.base_url, body=b"{}"), events


def show(folder: Path) -> Any:
    [path] = folder.iterdir()
    result = run_here("show", "--json", path)
    assert result.status == 0
    return json.loads(result.stdout)


@streams
def test_each_event_is_recorded_and_replayed_with_its_time(
    name: str, tmp_path: Path
) -> None:
    live, events = record(tmp_path, name, _WORDS)

    [cassette] = read_library(tmp_path)
    assert [part.raw for part in cassette.parts] == events
    offsets = [part.offset_ns for part in cassette.parts]
    # The upstream is never early, and what comes apart is not put together.
    assert all(at >= number * _STEP_NS for number, at in enumerate(offsets))
    assert len(set(offsets)) > 1
    with streamtape.replay(tmp_path) as replay:
        replayed = ask(replay.base_url, body=b"{}")
    assert live.body == replayed.body == b"".join(events)
    assert replayed.ending is Ending.WHOLE


@streams
def test_a_key_in_pieces_is_kept_out_of_it(name: str, tmp_path: Path) -> None:
    """And the client has it, as the upstream sent it."""
    pieces = [_KEY[at : at + 4] for at in range(0, len(_KEY), 4)]
    live, events = record(tmp_path, name, ["Use ", *pieces, " now"])

    [cassette] = read_library(tmp_path)
    assert live.body == b"".join(events)
    assert len(cassette.parts) == len(events)
    assert "Qw7x" not in json.dumps(show(tmp_path))
    result = run_here("check", "--strict", tmp_path)
    assert result.status == 0, result.stdout


@pytest.mark.parametrize("name", ["gemini", "invoke"])
def test_a_listing_reads_what_is_in_the_events(name: str, tmp_path: Path) -> None:
    _, events = record(tmp_path, name, _WORDS)

    shown = show(tmp_path)
    assert len(shown["events"]) == len(events)
    assert shown["events"][0]["data"]
    assert shown["timing"]["ttft_ns"] == shown["events"][0]["offset_ns"]
    listed = run_here("ls", "--json", tmp_path)
    [row] = json.loads(listed.stdout)
    assert row["events"] == len(events)
    assert row["ttft_ns"] == shown["timing"]["ttft_ns"]


def test_the_timeline_names_the_events_of_amazon(tmp_path: Path) -> None:
    record(tmp_path, "converse", _WORDS)

    [path] = tmp_path.iterdir()
    shown = run_here("show", path).stdout
    assert "contentBlockDelta" in shown
    assert f"{len(_WORDS)} events" in shown
