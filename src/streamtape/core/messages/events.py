"""
What the events of the Messages API mean, and the message that they make in the end.

Their names, text, usage and last word; what other providers say is read in
:mod:`~streamtape.core.messages.providers`. The message is the one that the Python SDK's
stream helpers accumulate, as plain JSON; where they raise, and where stable and beta
differ, see :class:`MessageAccumulator`. Nothing in :class:`StreamSummary` raises,
whatever the bytes: a recorder has to live with every stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from streamtape.core.messages.deltas import AnyEvent, Event, JsonObject
from streamtape.core.messages.providers import find_error, read_said

if TYPE_CHECKING:
    from collections.abc import Iterable


class DeltaKind(StrEnum):
    """What a delta adds to."""

    TEXT = "text"
    THINKING = "thinking"
    """Signatures too: a thinking block may hold nothing else."""
    TOOL_INPUT = "tool_input"
    OTHER = "other"
    """Citations, compactions and what is not known yet."""


_DELTA_KINDS: Final = {
    "text_delta": DeltaKind.TEXT,
    "thinking_delta": DeltaKind.THINKING,
    "signature_delta": DeltaKind.THINKING,
    "input_json_delta": DeltaKind.TOOL_INPUT,
}


@dataclass(slots=True)
class StreamSummary:
    """
    What a listing wants of a stream, gathered event by event while it is recorded.

    Says the same as the message of :class:`MessageAccumulator`. Ordinary deltas, which
    make up most of a stream, change nothing of it.
    """

    is_messages: bool = False
    """Whether a ``message_start`` was seen: the stream has a last word to wait for."""
    is_foreign: bool = False
    """Whether the stream is one of another provider, whose last word is known."""
    model: str | None = None
    stop_reason: str | None = None
    """None until the last ``message_delta`` so far gave one; usage is final then."""
    usage: JsonObject = field(default_factory=dict)
    error_type: str | None = None
    """The first error's ``error.type``, ``"error"`` where it had none; else None."""
    _is_stopped: bool = field(default=False, init=False, repr=False)
    _is_foreign_done: bool = field(default=False, init=False, repr=False)

    @property
    def is_over(self) -> bool:
        """
        Whether the last word was said: ``message_stop``, an error, or another
        provider's in a stream that has no ``message_start``.
        """
        if self._is_stopped or self.error_type is not None:
            return True
        return self._is_foreign_done and not self.is_messages

    def feed(self, event: AnyEvent) -> None:
        """Take the next event as it was read."""
        if isinstance(event, tuple):
            return
        match decode(event):
            case "error", data if self.error_type is None:
                self.error_type = _error_type(data)
            case "message_stop", _:
                self._is_stopped = True
            case "message_start", {"message": dict(message)} if not self.is_messages:
                self.is_messages = True
                self.model = _find_str(message.get("model"))
                self.stop_reason = _find_str(message.get("stop_reason"))
                self.usage = merge_usage(message.get("usage"), None)
            case "message_delta", data if self.is_messages:
                if isinstance(delta := data.get("delta"), dict):
                    self.stop_reason = _find_str(delta.get("stop_reason"))
                self.usage = merge_usage(self.usage, data.get("usage"))
            case "content_block_start", data if self.is_messages:
                self.model = find_fallback_model(data) or self.model
            case _ if not self.is_messages:
                self._feed_foreign(event)

    def _feed_foreign(self, event: Event) -> None:
        """Take an event that may be another provider's."""
        if self.error_type is None:
            self.error_type = find_error(event)
        said = read_said(event)
        if said is None:
            return
        self.is_foreign = True
        self.model = self.model or said.model
        self.stop_reason = said.stop_reason or self.stop_reason
        self.usage = merge_usage(self.usage, said.usage)
        self._is_foreign_done = self._is_foreign_done or said.is_last


def decode(event: Event) -> tuple[str, JsonObject]:
    """
    Return what an event is, ``""`` where nothing says it, and the object it holds.

    As in the SDKs, the ``type`` in the data decides and not the event's name, but
    for ``ping`` and ``error``. Unlike there, an event without a name is not passed
    over: clients that read only the data see it.
    """
    if event.name in ("ping", "error"):
        return event.name, event.json
    return event.type or "", event.json


def delta_kind(event: Event) -> DeltaKind | None:
    """
    Return what an event adds to, or None where it adds nothing.

    Text of other providers counts as text.
    """
    kind, data = decode(event)
    if kind != "content_block_delta":
        said = read_said(event)
        return DeltaKind.TEXT if said is not None and said.text else None
    delta = data.get("delta")
    if not isinstance(delta, dict):
        return None
    if not any(value for name, value in delta.items() if name != "type"):
        return None
    return _DELTA_KINDS.get(str(delta.get("type")), DeltaKind.OTHER)


def message_text(message: JsonObject) -> str:
    """
    Return the text of all text blocks, joined by nothing: citations cut one answer
    into several blocks.
    """
    blocks = _objects(message.get("content"))
    return _join_texts(block for block in blocks if block.get("type") == "text")


def merge_usage(older: object, newer: object) -> JsonObject:
    """
    Return the usage after a ``message_delta``.

    Its counters are totals, so they overwrite; what it leaves out or null is kept.
    """
    merged = dict(older) if isinstance(older, dict) else {}
    if isinstance(newer, dict):
        merged |= {name: value for name, value in newer.items() if value is not None}
    return merged


def find_fallback_model(data: JsonObject) -> str | None:
    """
    Return the model that goes on from the block that a ``content_block_start``
    opens, or None where the block isn't a fallback.
    """
    match data:
        case {"content_block": {"type": "fallback", "to": {"model": str(model)}}}:
            return model
        case _:
            return None


def _error_type(data: JsonObject) -> str:
    match data:
        case {"error": {"type": str(error_type)}}:
            return error_type
        case _:
            return "error"


def _join_texts(items: Iterable[JsonObject]) -> str:
    return "".join(_find_str(item.get("text")) or "" for item in items)


def _objects(value: object) -> list[JsonObject]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _find_str(value: object) -> str | None:
    return value if isinstance(value, str) else None


class MessageAccumulator:
    """
    Puts a message together; add the events in order and read it at any time.

    Never raises: what can't be applied is passed over, as are events before
    ``message_start``, unknown events and unknown deltas. Unknown blocks are kept.
    Beta's blocks and fields are known in stable streams too.

    * Tool input that is not JSON, or not whole yet, is kept as the string it is.
    * A second ``message_start`` is passed over and its blocks are appended to the
      first message, as in the Python SDK. The TypeScript SDK raises there.
    * All of a ``message_delta``'s usage that isn't null overwrites, so counters
      that are not known yet are right too.
    """

    def __init__(self) -> None:
        self._message: JsonObject | None = None
        self._blocks: list[Any] = []
        # What was appended to each block, by index. A block takes only one kind of
        # piece, and joining them once keeps long streams linear.
        self._pieces: dict[int, list[str]] = {}

    def add(self, event: Event) -> None:
        """Take the next event."""
        kind, data = decode(event)
        if self._message is None:
            if kind == "message_start" and isinstance(data.get("message"), dict):
                self._start(data["message"])
            return
        match kind:
            case "content_block_start":
                self._start_block(self._message, data)
            case "content_block_delta":
                self._add_delta(data)
            case "message_delta":
                _add_message_delta(self._message, data)

    @property
    def message(self) -> JsonObject | None:
        """
        The message as it stands, or None before ``message_start``.

        Only to be read: later events change what it is made of.
        """
        if self._message is None:
            return None
        content = [
            _join(block, self._pieces[index]) if index in self._pieces else block
            for index, block in enumerate(self._blocks)
        ]
        return {**self._message, "content": content}

    def _start(self, message: JsonObject) -> None:
        self._message = message
        self._blocks = _list(message.get("content"))

    def _start_block(self, message: JsonObject, data: JsonObject) -> None:
        block = data.get("content_block")
        # Blocks count in the order of arrival: the SDKs don't read this index.
        if isinstance(block, dict):
            self._blocks.append(block)
        if (model := find_fallback_model(data)) is not None:
            message["model"] = model

    def _add_delta(self, data: JsonObject) -> None:
        index, delta = data.get("index"), data.get("delta")
        if type(index) is not int or not 0 <= index < len(self._blocks):
            return
        block = self._blocks[index]
        if not isinstance(block, dict):
            return
        match block.get("type"), delta:
            case (
                ("text", {"type": "text_delta", "text": str(piece)})
                | ("thinking", {"type": "thinking_delta", "thinking": str(piece)})
                | (
                    "tool_use" | "server_tool_use" | "mcp_tool_use",
                    {"type": "input_json_delta", "partial_json": str(piece)},
                )
            ):
                self._pieces.setdefault(index, []).append(piece)
            case "thinking", {"type": "signature_delta", "signature": signature}:
                block["signature"] = signature
            case "text", {"type": "citations_delta", "citation": citation}:
                block["citations"] = [*_list(block.get("citations")), citation]
            case "compaction", {"type": "compaction_delta", **fields}:
                block["content"] = fields.get("content")
                block["encrypted_content"] = fields.get("encrypted_content")


def final_message(events: Iterable[Event]) -> JsonObject | None:
    """
    Return the message that the events make, or None where none of them starts one.

    Of a stream that was cut it is the part that came, as in the Python SDK.
    """
    accumulator = MessageAccumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.message


def stream_text(events: Iterable[Event]) -> str:
    """Return all the text that the events generate, of other providers' events too."""
    accumulator = MessageAccumulator()
    foreign = []
    for event in events:
        accumulator.add(event)
        if (said := read_said(event)) is not None:
            foreign.append(said.text)
    message = accumulator.message
    return "".join(foreign) if message is None else message_text(message)


def _join(block: JsonObject, pieces: list[str]) -> JsonObject:
    joined = "".join(pieces)
    kind = block["type"]
    if kind in ("text", "thinking"):
        start = block.get(kind)
        return {**block, kind: start + joined if isinstance(start, str) else joined}
    # The input of a block that is streamed begins as {}, and stays so if nothing
    # comes.
    return {**block, "input": _parse_input(joined)} if joined else block


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _parse_input(joined: str) -> object:
    try:
        return json.loads(joined)
    except (ValueError, RecursionError):
        return joined


def _add_message_delta(message: JsonObject, data: JsonObject) -> None:
    delta = data.get("delta")
    if isinstance(delta, dict):
        for name in ("stop_reason", "stop_sequence", "stop_details"):
            message[name] = delta.get(name)
        if delta.get("container") is not None:
            message["container"] = delta["container"]
    for name in ("context_management", "input_transformations"):
        if data.get(name) is not None:
            message[name] = data[name]
    message["usage"] = merge_usage(message.get("usage"), data.get("usage"))
