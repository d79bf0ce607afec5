"""``streamtape show``, which tells about a cassette section by section."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table
from rich.text import Text

from streamtape.cli._files import find_cassette
from streamtape.cli._options import cassettes_option, pass_secrets
from streamtape.cli._render import (
    INDENT,
    dump_body,
    dump_json,
    escape,
    make_console,
    note,
    print_block,
    print_json,
    print_line,
    print_table,
    shorten,
)
from streamtape.cli._words import (
    ENDINGS,
    count,
    format_ns,
    list_times,
    state_style,
    state_words,
    summarise,
)
from streamtape.core.cassette import Cassette
from streamtape.core.messages.deltas import Event, read_event
from streamtape.core.messages.events import decode
from streamtape.core.messages.providers import read_said
from streamtape.core.messages.timing import percentile_ns
from streamtape.core.model import Headers, Part
from streamtape.core.redaction.secrets import Secrets
from streamtape.core.redaction.text import REDACTED
from streamtape.core.sse import EventSplitter
from streamtape.core.stream_formats import StreamFormat, payload_of
from streamtape.errors import UsageError
from streamtape.library.disk import is_locked
from streamtape.library.reader import CassetteReader, read_cassette
from streamtape.library.writer import PART_SUFFIX

if TYPE_CHECKING:
    from rich.console import Console


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
@pass_secrets
def show(
    secrets: Secrets,
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
        _note_running(path, secrets)
        return
    shown = read_cassette(path)
    _note_running(path, secrets)
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


def _note_running(path: Path, secrets: Secrets) -> None:
    if path.suffix == PART_SUFFIX and is_locked(path):
        note("Still being recorded: this is what came so far.", secrets)


def _write_body(path: Path) -> None:
    """Write a body of any size in little memory, and nothing of a damaged one."""
    with CassetteReader(path) as reader:
        for _ in reader.parts():
            pass
    with CassetteReader(path) as reader:
        for part in reader.parts():
            sys.stdout.buffer.write(part.raw)


def _plain(cassette: Cassette) -> dict[str, Any]:
    """Everything about a cassette as values of JSON, times in ns."""
    request, response, timing = cassette.request, cassette.response, cassette.timing
    head_ns = 0 if response is None else response.offset_ns
    offsets_ns = [head_ns, *(part.offset_ns for part in cassette.parts)]
    gaps_ns = [later - earlier for earlier, later in pairwise(offsets_ns)]
    parts = [
        {
            "offset_ns": part.offset_ns,
            "gap_ns": gap_ns,
            **_bytes("raw", part.raw),
            **(_event(part, cassette.stream_format) if cassette.is_stream else {}),
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


def _event(part: Part, stream_format: StreamFormat) -> dict[str, Any]:
    event = read_event(part.raw, stream_format)
    data = event.value if event.is_json else event.data
    return {"name": event.name, "data": data}


def _bytes(name: str, raw: bytes) -> dict[str, str]:
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(raw).decode()}


_FIRST: Final = 12
_LAST: Final = 6
_SLOWEST: Final = 6
"""How many events of a long stream are shown: first, last, after the longest gaps."""

_BAR_CELLS: Final = 8
_NAME_CHARS: Final = 24
_PREVIEW_CHARS: Final = 60

_LINES: Final = 24
"""How much of a body or a text is shown unasked."""
_TITLE_WIDTH: Final = 10


class Sections:
    """
    Prints the sections of one cassette, each with a blank line before it.

    Args:
        is_full: Shorten nothing.
    """

    def __init__(self, console: Console, cassette: Cassette, *, is_full: bool) -> None:
        self._console = console
        self._cassette = cassette
        self._is_full = is_full
        self._limit = None if is_full else _LINES

    def title(self) -> None:
        """The name, when it was recorded, and the state where it is not complete."""
        pieces = [(escape(self._cassette.name), "bold")]
        if at := self._cassette.recorded_at:
            pieces.append((f"  recorded {escape(at)}", "dim"))
        reason = self._cassette.ending.reason
        if style := state_style(reason):
            pieces.append((f"  {state_words(reason)}", style))
        print_line(self._console, *pieces)

    def request(self) -> None:
        """The request as it went upstream."""
        request = self._cassette.request
        self._heading("Request", f"{request.method} {request.target}")
        self._headers(request.headers)
        self._body(request.body)

    def response(self) -> None:
        """The response's head, and its body unless it is a stream."""
        response = self._cassette.response
        if response is None:
            self._heading("Response", "none came")
            return
        status = f"{response.status} {response.reason}".rstrip()
        self._heading("Response", f"{status}, after {format_ns(response.offset_ns)}")
        self._headers(response.headers)
        if not self._cassette.is_stream:
            self._body(self._cassette.body)

    def events(self) -> None:
        """The timeline of a stream."""
        cassette = self._cassette
        if not cassette.is_stream:
            return
        events = count(len(cassette.events), "event")
        self._heading("Events", f"{events}, {count(len(cassette.body), 'byte')}")
        table = _timeline(cassette, is_full=self._is_full)
        print_table(self._console, table, indent=INDENT)

    def message(self) -> None:
        """The assembled text and what the message holds besides."""
        message = self._cassette.final_message()
        if text := self._cassette.text:
            self._heading("Text", count(len(text), "character"))
            print_block(self._console, text, limit=self._limit)
        if message is None or not self._cassette.is_stream:
            return
        stop_reason = message.get("stop_reason") or "no stop reason"
        model = message.get("model") or "no model"
        self._heading("Message", f"{model}, {stop_reason}")
        summary = "\n".join(summarise(message))
        shown = dump_json(message, indent=2) if self._is_full else summary
        print_block(self._console, shown, limit=self._limit)

    def timing(self) -> None:
        """How fast it came."""
        timing = self._cassette.timing
        times = {
            "headers": timing.time_to_headers_ns,
            "first token": timing.ttft_ns,
            "first text": timing.ttft_text_ns,
            "total": timing.duration_ns,
        }
        if timing.ttft_text_ns == timing.ttft_ns:
            del times["first text"]
        self._heading("Timing", list_times(times))
        if gaps_ns := timing.gaps_ns:
            gaps = {
                "gaps p50": percentile_ns(gaps_ns, 50),
                "p95": percentile_ns(gaps_ns, 95),
                "max": max(gaps_ns),
                "time per token": timing.tpot_ns,
            }
            print_line(self._console, list_times(gaps), indent=" " * _TITLE_WIDTH)

    def ending(self) -> None:
        """How it ended, if not as it should."""
        ending = self._cassette.ending
        if ending.is_complete:
            return
        self._heading("Ending", state_words(ending.reason), state_style(ending.reason))
        explained = f"{ENDINGS[ending.reason]}\n{ending.detail}".rstrip()
        print_block(self._console, explained, limit=self._limit)

    def _heading(self, title: str, text: str, style: str = "") -> None:
        print_line(self._console)
        bold = (title.ljust(_TITLE_WIDTH), "bold")
        print_line(self._console, bold, (escape(text), style))

    def _headers(self, headers: Headers) -> None:
        """Print a line for each, but one for all whose values were not kept."""
        redacted = []
        for name, value in headers:
            if value == REDACTED and not self._is_full:
                redacted.append(name)
            else:
                self._header(name, value)
        if redacted:
            self._header(REDACTED, ", ".join(redacted))

    def _header(self, name: str, value: str) -> None:
        label = (f"{escape(name)}: ", "dim")
        print_line(self._console, label, escape(value), indent=INDENT)

    def _body(self, body: bytes) -> None:
        if body:
            print_line(self._console)
            print_block(self._console, dump_body(body), limit=self._limit)


@dataclass(frozen=True, slots=True)
class _Moment:
    """One line of the timeline."""

    number: str
    offset_ns: int
    gap_ns: int
    """Since the line before it in the whole timeline, shown or not."""
    size: str
    name: str
    adds: str


def _timeline(cassette: Cassette, *, is_full: bool) -> Table:
    """
    Lay out the response's head, its events and its end, each with the time since
    the one before and a bar as long as its share of the longest of these times.

    Args:
        is_full: Show every event, and not the first, the last and the slowest.
    """
    moments = list(_moments(cassette))
    shown = set(range(len(moments))) if is_full else _pick(moments)
    longest_ns = max(moment.gap_ns for moment in moments)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("#", "at", "gap"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="cyan")
    table.add_column("bytes", justify="right", no_wrap=True, style="dim")
    table.add_column("event", no_wrap=True)
    table.add_column("")
    for before, here in pairwise([-1, *sorted(shown)]):
        if here - before > 1:
            hidden = moments[before + 1 : here]
            span_ns = hidden[-1].offset_ns - hidden[0].offset_ns + hidden[0].gap_ns
            skipped = f"{count(len(hidden), 'event')} in {format_ns(span_ns)}"
            table.add_row("⋮", "", "", "", "", Text(skipped), style="dim")
        moment = moments[here]
        table.add_row(
            moment.number,
            f"{moment.offset_ns / 1e9:.3f} s",
            format_ns(moment.gap_ns),
            _bar(moment.gap_ns, longest_ns),
            moment.size,
            Text(moment.name),
            Text(moment.adds, no_wrap=True, overflow="ellipsis"),
        )
    return table


def _event_name(event: Event) -> str:
    """What to call an event: its name, else its type, else what there is of it."""
    if event.name:
        return event.name
    if event.data is None:
        return "(no data)"
    return decode(event)[0] or "(no name)"


def _moments(cassette: Cassette) -> Iterator[_Moment]:
    head, ending = cassette.response, cassette.ending
    before_ns = 0
    if head is not None:
        status = escape(f"{head.status} {head.reason}")
        before_ns = head.offset_ns
        yield _Moment("", before_ns, before_ns, "", "(headers)", status)
    for number, part in enumerate(cassette.events):
        event = read_event(part.raw, cassette.stream_format)
        name, adds = _event_name(event), _preview(event)
        if part is cassette.parts[-1] and _is_cut(part.raw, cassette.stream_format):
            name, adds = "(cut off)", part.raw.decode(errors="replace")
        yield _Moment(
            str(number),
            part.offset_ns,
            part.offset_ns - before_ns,
            str(len(part.raw)),
            escape(shorten(name, _NAME_CHARS)),
            escape(shorten(adds, _PREVIEW_CHARS)),
        )
        before_ns = part.offset_ns
    end_ns = ending.offset_ns
    yield _Moment(
        "", end_ns, end_ns - before_ns, "", "(end)", state_words(ending.reason)
    )


def _is_cut(raw: bytes, stream_format: StreamFormat) -> bool:
    """Whether the last bytes of a stream are no whole event."""
    if stream_format is StreamFormat.SSE:
        return not EventSplitter().feed(raw)
    # A line may end with the body; of an array the bracket is left over.
    payload = payload_of(raw, stream_format)
    is_read = read_event(raw, stream_format).is_json or payload.strip() in (b"", b"]")
    return stream_format in (StreamFormat.LINES, StreamFormat.ARRAY) and not is_read


def _preview(event: Event) -> str:
    """What an event adds, in a few words."""
    match decode(event):
        case "message_start", {"message": {"model": str(model)}}:
            return model
        case "content_block_start", {"content_block": {"type": str(kind), **block}}:
            name = block.get("name")
            return f"{kind} {name}" if isinstance(name, str) else kind
        case "content_block_delta", {"delta": dict(delta)}:
            return _preview_delta(delta)
        case "message_delta", {"delta": {"stop_reason": str(reason)}, **rest}:
            usage = rest.get("usage")
            tokens = usage.get("output_tokens") if isinstance(usage, dict) else None
            return f"{reason}, {tokens} tokens" if type(tokens) is int else reason
        case "error", {"error": {"type": str(kind), "message": str(message)}}:
            return f"{kind}: {message}"
        case "ping" | "content_block_stop" | "message_stop", _:
            return ""
        case _:
            said = read_said(event)
            return f'"{said.text}"' if said and said.text else event.data or ""


def _preview_delta(delta: dict[str, Any]) -> str:
    match delta:
        case {"type": "text_delta", "text": str(text)}:
            return f'"{text}"'
        case {"type": "thinking_delta", "thinking": str(text)}:
            return f'thinking "{text}"'
        case {"type": "input_json_delta", "partial_json": str(text)}:
            return f"input {text}"
        case {"type": str(kind)}:
            return kind.removesuffix("_delta")
        case _:
            return ""


def _pick(moments: Sequence[_Moment]) -> set[int]:
    """Return which lines of a long timeline to show."""
    size = len(moments)
    if size <= _FIRST + _LAST + _SLOWEST:
        return set(range(size))
    middle = range(_FIRST, size - _LAST)
    slowest = sorted(middle, key=lambda here: -moments[here].gap_ns)[:_SLOWEST]
    shown = {*range(_FIRST), *slowest, *range(size - _LAST, size)}
    # A line that says "1 event" saves no room.
    return shown | {here for here in middle if {here - 1, here + 1} <= shown}


def _bar(gap_ns: int, longest_ns: int) -> str:
    halves = round(2 * _BAR_CELLS * gap_ns / longest_ns) if gap_ns > 0 else 0
    return "━" * (halves // 2) + "╸" * (halves % 2)
