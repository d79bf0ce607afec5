"""
From the events of a stream to the message, or the text, that they make in the end.

The message is the one that the Python SDK's stream helpers accumulate, as plain
JSON. Where they raise, and where stable and beta differ, see
:class:`MessageAccumulator`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streamtape.core.streams.messages import (
    JsonObject,
    decode,
    find_fallback_model,
    foreign_text,
    merge_usage,
    message_text,
)
from streamtape.core.streams.sse import parse_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.streams.sse import ServerSentEvent


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

    def add(self, event: ServerSentEvent) -> None:
        """
        Take the next event.
        """
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


def final_message(raw_events: Iterable[bytes]) -> JsonObject | None:
    """
    Return the message that the events make, or None where none of them starts one.

    Of a stream that was cut it is the part that came, as in the Python SDK.
    """
    accumulator = MessageAccumulator()
    for raw in raw_events:
        accumulator.add(parse_event(raw))
    return accumulator.message


def stream_text(raw_events: Iterable[bytes]) -> str:
    """
    Return all the text that the events generate, of other providers' events too.
    """
    accumulator = MessageAccumulator()
    foreign = []
    for raw in raw_events:
        event = parse_event(raw)
        accumulator.add(event)
        foreign.append(foreign_text(decode(event)[1]))
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
