"""
What ``streamtape show`` tells people about a cassette, section by section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamtape.cli._render import (
    INDENT,
    dump_body,
    dump_json,
    escape,
    print_block,
    print_line,
    print_table,
)
from streamtape.cli._timeline import timeline
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
from streamtape.core.model import Headers
from streamtape.core.secrecy.redaction import REDACTED
from streamtape.core.streams.timing import percentile_ns

if TYPE_CHECKING:
    from rich.console import Console

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
        """
        The name, when it was recorded, and the state where it is not complete.
        """
        pieces = [(escape(self._cassette.name), "bold")]
        if at := self._cassette.recorded_at:
            pieces.append((f"  recorded {escape(at)}", "dim"))
        reason = self._cassette.ending.reason
        if style := state_style(reason):
            pieces.append((f"  {state_words(reason)}", style))
        print_line(self._console, *pieces)

    def request(self) -> None:
        """
        The request as it went upstream.
        """
        request = self._cassette.request
        self._heading("Request", f"{request.method} {request.target}")
        self._headers(request.headers)
        self._body(request.body)

    def response(self) -> None:
        """
        The response's head, and its body unless it is a stream.
        """
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
        """
        The timeline of a stream.
        """
        cassette = self._cassette
        if not cassette.is_stream:
            return
        told = f"{count(len(cassette.events), 'event')}, "
        self._heading("Events", told + count(len(cassette.body), "byte"))
        table = timeline(cassette, is_full=self._is_full)
        print_table(self._console, table, indent=INDENT)

    def message(self) -> None:
        """
        The assembled text and what the message holds besides.
        """
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
        told = dump_json(message, indent=2) if self._is_full else summary
        print_block(self._console, told, limit=self._limit)

    def timing(self) -> None:
        """
        How fast it came.
        """
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
        """
        How it ended, if not as it should.
        """
        ending = self._cassette.ending
        if ending.is_complete:
            return
        self._heading("Ending", state_words(ending.reason), state_style(ending.reason))
        told = f"{ENDINGS[ending.reason]}\n{ending.detail}".rstrip()
        print_block(self._console, told, limit=self._limit)

    def _heading(self, title: str, told: str, style: str = "") -> None:
        print_line(self._console)
        bold = (title.ljust(_TITLE_WIDTH), "bold")
        print_line(self._console, bold, (escape(told), style))

    def _headers(self, headers: Headers) -> None:
        """
        Print a line for each, but one for all whose values were not kept.
        """
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
