"""
``streamtape demo``.

It has a conversation of the real SDK, and times it event by event.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from streamtape.cli._render import escape
from streamtape.core.cassette import Cassette
from streamtape.core.messages.deltas import read_event
from streamtape.core.messages.events import (
    DeltaKind,
    decode,
    delta_kind,
    final_message,
    message_text,
)
from streamtape.core.messages.timing import percentile_ns
from streamtape.core.pacing import INSTANT
from streamtape.core.sse import EventSplitter
from streamtape.errors import UsageError
from streamtape.library.library import Library
from streamtape.library.reader import read_cassette
from streamtape.server import api
from streamtape.server.clock import SystemClock
from streamtape.server.environment import environment
from streamtape.testing import FakeUpstream

_SPEEDS = (1.0, 10.0, INSTANT)


@click.command()
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the cassettes in this folder, to look at them afterwards.",
)
def demo(keep: Path | None) -> None:
    """
    Record a conversation and replay it, without a key and without a network.

    An embedded upstream stands in for the API. The client is the real SDK; it only
    has another base URL.

    \b
    Example:
      streamtape demo --keep /tmp/demo
    """
    # The table says all; a line for each interaction would come between the text.
    logging.getLogger("streamtape").setLevel(logging.ERROR)
    os.environ.update(environment("", replays=False))
    try:
        _show(keep)
    except KeyboardInterrupt:
        # What follows is no part of the text.
        click.echo()
        raise


def _show(keep: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="streamtape-") as scratch:
        folder = keep or Path(scratch)
        live = _record(folder)
        cassettes = _read(folder, live)
        click.echo("\n2. Replaying, with the same SDK. The upstream is stopped.")
        replays = [(speed, _replay(folder, speed)) for speed in _SPEEDS]
        _print_table(cassettes, live, replays)
    if keep is not None:
        click.echo(f"\nLook at them: streamtape ls --cassettes {keep}")


def _record(folder: Path) -> list[Heard]:
    with FakeUpstream() as upstream:
        click.echo("1. Recording. An embedded upstream answers, the SDK talks to the")
        click.echo("   proxy, and what comes back becomes a cassette on the way.\n")
        with api.record(folder, upstream=upstream.url) as server:
            return converse(server.base_url, _say)


def _replay(folder: Path, speed: float) -> list[Heard]:
    click.secho(f"\n   {_pace(speed)}", bold=True)
    with api.replay(folder, speed="instant" if speed == INSTANT else speed) as server:
        return converse(server.base_url, _say)


def _say(text: str) -> None:
    click.echo(escape(text, keep="\n"), nl=False)


def _read(folder: Path, live: Sequence[Heard]) -> list[Cassette]:
    """Find the cassette of each answer, in the order of the conversation."""
    found = {}
    for entry in Library(folder).entries():
        cassette = read_cassette(entry.path)
        found[cassette.body] = cassette
    return [found[b"".join(heard.raws)] for heard in live]


def _print_table(
    cassettes: Sequence[Cassette],
    live: Sequence[Heard],
    replays: Sequence[tuple[float, list[Heard]]],
) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("turn", "run"):
        table.add_column(name, no_wrap=True)
    for name in ("events", "first\ntoken ms", "total\nms", "late ms\np50", "\nmax"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("sha-256\nof the body", no_wrap=True)
    for turn, cassette in enumerate(cassettes):
        rows = [("recorded", 1.0, live[turn])]
        rows += [(_pace(speed), speed, heard[turn]) for speed, heard in replays]
        for name, speed, heard in rows:
            late_ns = _lateness_ns(cassette, heard, speed)
            same = "equal" if heard.digest == live[turn].digest else "DIFFERENT"
            table.add_row(
                str(turn + 1) if heard is live[turn] else "",
                name,
                str(len(heard.raws)),
                _ms(_first_token_ns(cassette, heard)),
                _ms(heard.arrivals_ns[-1]),
                _ms(percentile_ns(late_ns, 50)),
                _ms(max(late_ns)),
                f"{heard.digest[:8]} {same}",
                end_section=name == _pace(INSTANT),
            )
    click.echo()
    Console().print(table)
    click.echo(
        "late: how long after its time an event reached the client, not counting\n"
        "what the SDK takes to send a request."
    )


def _pace(speed: float) -> str:
    return "instant" if speed == INSTANT else f"{speed:g}x"


def _lateness_ns(cassette: Cassette, heard: Heard, speed: float) -> list[int]:
    """How late each event was, counted from the one that was least late."""
    late_ns = [
        arrival_ns - round(event.offset_ns / speed)
        for arrival_ns, event in zip(heard.arrivals_ns, cassette.events, strict=True)
    ]
    return [each_ns - min(late_ns) for each_ns in late_ns]


def _first_token_ns(cassette: Cassette, heard: Heard) -> int:
    """When the client had the event that holds the first token."""
    offsets_ns = [event.offset_ns for event in cassette.events]
    ttft_ns = cassette.timing.ttft_ns
    index = 0 if ttft_ns is None else offsets_ns.index(ttft_ns)
    return heard.arrivals_ns[index]


def _ms(time_ns: int) -> str:
    return f"{time_ns / 1e6:.1f}"


PROMPTS: Final = (
    "What is it like at the harbour at dawn?",
    "How early was it? [citations]",
)


@dataclass(slots=True)
class Heard:
    """What a client got of one answer, and when."""

    raws: list[bytes] = field(default_factory=list)
    """The events, byte for byte."""
    arrivals_ns: list[int] = field(default_factory=list)
    """When each event was whole, since the request was sent."""

    @property
    def digest(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(b"".join(self.raws)).hexdigest()


def converse(base_url: str, say: Callable[[str], None]) -> list[Heard]:
    """
    Ask all prompts in turn, each with the answers before it.

    Args:
        say: Gets each piece of text as it comes.

    Raises:
        UsageError: The SDK is not installed.
    """
    try:
        import anthropic
    except ImportError as error:
        message = (
            "the demo needs the SDK: pip install 'streamtape-proxy[anthropic]'; "
            "with pipx: pipx inject streamtape-proxy anthropic"
        )
        raise UsageError(message) from error
    messages: list[Any] = []
    heard = []
    with anthropic.Anthropic(base_url=base_url, api_key="no-key-is-needed") as client:
        for prompt in PROMPTS:
            say(f"> {prompt}\n")
            messages.append({"role": "user", "content": prompt})
            heard.append(_ask(client, messages, say))
            answer = final_message(map(read_event, heard[-1].raws)) or {}
            messages.append({"role": "assistant", "content": message_text(answer)})
            say("\n")
    return heard


def _ask(client: Any, messages: list[Any], say: Callable[[str], None]) -> Heard:
    heard = Heard()
    splitter = EventSplitter()
    start_ns = SystemClock.now_ns()
    request = client.messages.with_streaming_response.create(
        model="claude-demo", max_tokens=1024, messages=messages, stream=True
    )
    with request as response:
        for chunk in response.iter_bytes():
            at_ns = SystemClock.now_ns() - start_ns
            for raw in splitter.feed(chunk):
                heard.raws.append(raw)
                heard.arrivals_ns.append(at_ns)
                say(_text_of(raw))
    return heard


def _text_of(raw: bytes) -> str:
    event = read_event(raw)
    if delta_kind(event) is not DeltaKind.TEXT:
        return ""
    _, data = decode(event)
    return str(data["delta"]["text"])
