"""
Whether the events of a stream come as the Messages API sends them.

Only for people who look at a cassette: a recording holds what came, and a replay
gives it back, whatever this says of it. Streams of other providers pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Final

from streamtape.core.messages.deltas import (
    AnyEvent,
    Event,
    JsonObject,
    read_event,
)
from streamtape.core.messages.events import decode

_TYPES: Final = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    }
)

_BLOCKS_OF: Final = {
    "text_delta": ("text",),
    "citations_delta": ("text",),
    "thinking_delta": ("thinking",),
    "signature_delta": ("thinking",),
    "input_json_delta": ("tool_use", "server_tool_use", "mcp_tool_use"),
    "compaction_delta": ("compaction",),
}
"""Which blocks a delta adds to; one that isn't here may add to any."""

_KNOWN_BLOCKS: Final = frozenset(
    {
        *(block for blocks in _BLOCKS_OF.values() for block in blocks),
        "redacted_thinking",
        "container_upload",
        "fallback",
    }
)
"""Blocks of which it is known what may be added to them."""

_PLAIN: Final = re.compile(rb"[ -~]*")
"""A text that JSON can hold as it is, or in escapes that were read."""

_ENDS: Final = (b"\n\n", b"\n\r\n", b"\r\r", b"\n\r")


def is_whole_event(raw: bytes) -> bool:
    """Whether a blank line ends the bytes."""
    return raw.endswith(_ENDS)


class Grammar:
    """Follows one stream; feed it the events in their order."""

    def __init__(self) -> None:
        self._has_started = False
        self._open: tuple[object, str] | None = None
        """Index and type of the block that is open."""
        self._blocks = 0
        self._has_message_delta = False
        self._last_word: str | None = None
        """``message_stop`` or ``error``; None until one was said."""
        self._place: Hashable = None
        """Of the last event, if it was an ordinary delta that fits; else None."""

    def feed(self, raw: bytes, event: AnyEvent) -> list[str]:
        """
        Take the next event; returns what is wrong with it, mostly nothing.

        Args:
            event: What an :class:`~streamtape.core.messages.deltas.EventReader` read.
        """
        place = None
        if isinstance(event, tuple):
            if _PLAIN.fullmatch(event[1]) and is_whole_event(raw):
                place = event[0]
            # One that differs in nothing but a plain text is as well-formed as the
            # last, and changes as little. Most are such, and needn't be parsed.
            if place is not None and place == self._place:
                return []
            event = read_event(raw)
        faults = self._check(event) if is_whole_event(raw) else []
        self._place = None if faults else place
        return faults

    def _check(self, event: Event) -> list[str]:
        kind, data = decode(event)
        fault = _fault_of(event)
        if kind not in _TYPES and event.name not in _TYPES:
            return []
        faults = [fault] if fault and kind not in ("ping", "error") else []
        if kind in _TYPES:
            faults += _check_name(event.name, kind)
            faults += self._follow(kind, data)
        return faults

    def end(self, *, is_complete: bool) -> list[str]:
        """
        Take the end of the stream; returns what is missing.

        Args:
            is_complete: Whether it is said to be whole. One that broke off may stop
                anywhere.
        """
        if is_complete and self._has_started and self._last_word is None:
            return ["it has no message_stop, although it is said to be complete"]
        return []

    def _follow(self, kind: str, data: JsonObject) -> list[str]:
        if kind == "ping":
            return []
        if self._last_word is not None:
            return [f"{kind} after the last word, {self._last_word}"]
        faults = []
        if kind == "error":
            self._last_word = kind
            return []
        if kind != "message_start" and not self._has_started:
            faults.append(f"{kind} before message_start")
        match kind:
            case "message_start":
                if self._has_started:
                    faults.append("a second message_start")
            case "content_block_start":
                faults += self._start_block(data)
            case "content_block_delta":
                faults += self._add_delta(data)
            case "content_block_stop":
                faults += self._stop_block(data)
            case "message_delta":
                faults += self._check_closed(kind)
                self._has_message_delta = True
            case "message_stop":
                faults += self._check_closed(kind)
                if not self._has_message_delta:
                    faults.append("message_stop without a message_delta")
                self._last_word = kind
        # Whatever it began with: one that began wrong is told so once.
        self._has_started = True
        return faults

    def _start_block(self, data: JsonObject) -> list[str]:
        faults = self._check_closed("content_block_start")
        index = data.get("index")
        if index != self._blocks:
            faults.append(
                f"expected block {self._blocks} to begin, got {_shown(index)}"
            )
        if self._has_message_delta:
            faults.append("a block begins after message_delta")
        block = data.get("content_block")
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str):
            faults.append("content_block_start without the type of its block")
        self._open = index, kind if isinstance(kind, str) else ""
        self._blocks += 1
        return faults

    def _add_delta(self, data: JsonObject) -> list[str]:
        index, delta = data.get("index"), data.get("delta")
        if self._open is None or self._open[0] != index:
            return [f"a delta for block {_shown(index)}, which is not open"]
        kind = delta.get("type") if isinstance(delta, dict) else None
        if not isinstance(kind, str):
            return ["a delta without a type"]
        block = self._open[1]
        wanted = _BLOCKS_OF.get(kind)
        if wanted is None or block in wanted or block not in _KNOWN_BLOCKS:
            return []
        return [f"{kind} in a block of type {block}"]

    def _stop_block(self, data: JsonObject) -> list[str]:
        index = data.get("index")
        is_open = self._open is not None and self._open[0] == index
        if not is_open:
            return [f"content_block_stop for block {_shown(index)}, which is not open"]
        self._open = None
        return []

    def _check_closed(self, kind: str) -> list[str]:
        """Say if a block is open where none may be, and take it for closed."""
        if self._open is None:
            return []
        index, self._open = self._open[0], None
        return [f"{kind} while block {_shown(index)} is open"]


def _fault_of(event: Event) -> str:
    """Say what is wrong with the data of an event, or nothing."""
    if not event.is_json:
        return "its data is not JSON"
    return "" if isinstance(event.value, dict) else "its data is not a JSON object"


def _check_name(name: str | None, kind: str) -> list[str]:
    if name is None:
        return [f"{kind} without an event name: the SDKs pass over it"]
    return [] if name == kind else [f"its name is {_shown(name)} and its type {kind}"]


def _shown(value: object) -> str:
    """Write a value of the stream in a few characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
