"""
``streamtape show``.
"""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from streamtape.cli._files import find_cassette
from streamtape.cli._options import cassettes_option
from streamtape.cli._render import make_console, note, print_json
from streamtape.cli._sections import Sections
from streamtape.core.cassette import Cassette
from streamtape.core.model import Part
from streamtape.core.streams.sse import parse_event
from streamtape.errors import UsageError
from streamtape.library.locks import is_locked
from streamtape.library.reader import CassetteReader, read_cassette
from streamtape.library.writer import PART_SUFFIX


@click.command()
@click.argument("cassette", metavar="CASSETTE")
@cassettes_option
@click.option("--full", "is_full", is_flag=True, help="Shorten nothing.")
@click.option(
    "--events/--no-events",
    "has_events",
    default=True,
    help="Show the timeline of a stream, or leave it out.",
)
@click.option("--json", "is_json", is_flag=True, help="Print everything as JSON.")
@click.option("--raw", "is_raw", is_flag=True, help="Write the body's exact bytes.")
def show(
    cassette: str,
    cassettes: Path,
    is_full: bool,
    has_events: bool,
    is_json: bool,
    is_raw: bool,
) -> None:
    """
    Show one cassette: request, response, events over time, and what they make.

    CASSETTE is a file, or the name by which `streamtape ls` lists it. The bar
    beside an event is as long as the wait for it, so that you see where the time
    went.

    \b
    Examples:
      streamtape show hello-1a2b3c4d
      streamtape show --raw cassettes/hello-1a2b3c4d.tape > hello.sse
    """
    if is_json and is_raw:
        raise UsageError("--json and --raw: expected one of them, got both")
    if is_raw and sys.stdout.isatty():
        message = (
            "--raw writes recorded bytes, which could do anything to a terminal; "
            "lead them into a file or a pipe"
        )
        raise UsageError(message)
    path = find_cassette(cassette, cassettes)
    if is_raw:
        _write_body(path)
        _note_running(path)
        return
    shown = read_cassette(path)
    _note_running(path)
    if is_json:
        print_json(_plain(shown))
    else:
        sections = Sections(make_console(), shown, is_full=is_full)
        sections.title()
        sections.request()
        sections.response()
        if has_events:
            sections.events()
        sections.message()
        sections.timing()
        sections.ending()


def _note_running(path: Path) -> None:
    if path.suffix == PART_SUFFIX and is_locked(path):
        note("Still being recorded: this is what came so far.")


def _write_body(path: Path) -> None:
    """
    Write a body of any size in little memory, and nothing of a damaged one.
    """
    with CassetteReader(path) as reader:
        for _ in reader.parts():
            pass
    with CassetteReader(path) as reader:
        for part in reader.parts():
            sys.stdout.buffer.write(part.raw)


def _plain(cassette: Cassette) -> dict[str, Any]:
    """
    Everything about a cassette as values of JSON, times in ns.
    """
    request, response, timing = cassette.request, cassette.response, cassette.timing
    head_ns = 0 if response is None else response.offset_ns
    offsets_ns = [head_ns, *(part.offset_ns for part in cassette.parts)]
    gaps_ns = [later - earlier for earlier, later in pairwise(offsets_ns)]
    parts = [
        {
            "offset_ns": part.offset_ns,
            "gap_ns": gap_ns,
            **_bytes("raw", part.raw),
            **(_event(part) if cassette.is_stream else {}),
        }
        for part, gap_ns in zip(cassette.parts, gaps_ns, strict=True)
    ]
    return {
        "name": cassette.name,
        "recorded_at": cassette.recorded_at,
        "request": {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            **_bytes("body", request.body),
        },
        "response": None if response is None else asdict(response),
        "events": parts if cassette.is_stream else [],
        "chunks": [] if cassette.is_stream else parts,
        "text": cassette.text,
        "message": cassette.final_message(),
        "timing": asdict(timing),
        "ending": {
            **asdict(cassette.ending),
            "is_complete": cassette.ending.is_complete,
        },
    }


def _event(part: Part) -> dict[str, Any]:
    event = parse_event(part.raw)
    data: Any
    try:
        data = json.loads(event.data or "")
    except (ValueError, RecursionError):
        data = event.data
    return {"name": event.name, "data": data}


def _bytes(name: str, raw: bytes) -> dict[str, str]:
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(raw).decode()}
