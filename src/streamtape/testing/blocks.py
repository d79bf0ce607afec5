"""
What a message is made of: content blocks, and what comes between or after them.

A block is given as it is in the finished message; how it is cut into deltas is
:mod:`streamtape.testing.streams`' business. Ids, signatures and encrypted values
left out are made from the seed of the message. JSON and events are written as the API
writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Final, TypeAlias

from streamtape.core.sse import encode_event
from streamtape.testing.seeds import make_opaque

PING: Final = encode_event('{"type": "ping"}', name="ping")
"""A ping; the API writes it with other code than the rest, hence the space."""


def to_json(value: object) -> str:
    """Write JSON without spaces, characters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def api_event(data: Mapping[str, Any], *, padding: int = 0) -> bytes:
    """
    Write an event that is named like the type of its data.

    Args:
        padding: Spaces before the last brace; the API puts in 0 to 15, so that
            the length of an event doesn't tell the length of its text.
    """
    body = to_json(data)
    padded = f"{body[:-1]}{' ' * padding}{body[-1]}"
    return encode_event(padded, name=str(data["type"]))


JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One content block."""

    content: JsonObject
    """As in the finished message; a value of None is filled in from the seed."""
    odd_deltas: tuple[JsonObject, ...] = ()
    """Deltas that clients don't know and that leave no trace in the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Bytes that go into the stream as they are, after the block before them."""

    raw: bytes
    is_last: bool = False
    """Whether the stream ends with it, the block before it left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why the message stops, where that isn't told by its blocks."""

    reason: str
    details: JsonObject | None = None


Item: TypeAlias = Block | Wire | Stop


@dataclass(frozen=True, slots=True)
class Page:
    """One result of a web search."""

    title: str
    url: str
    _: KW_ONLY
    page_age: str | None = None
    size: int = 96
    """Bytes of its encrypted content, before base64."""


def text(value: str, *, citations: Sequence[Mapping[str, Any]] = ()) -> Block:
    """
    Return a text block; each citation comes in a delta of its own, after the text.
    """
    if not citations:
        return Block(content={"type": "text", "text": value})
    quoted = [dict(citation) for citation in citations]
    return Block(content={"citations": quoted, "type": "text", "text": value})


def char_citation(cited: str, *, start: int, document_title: str) -> JsonObject:
    """
    Return a citation of a place in the first document of the request.

    Args:
        start: Position of the cited text in the document, in characters.
    """
    return {
        "type": "char_location",
        "cited_text": cited,
        "document_index": 0,
        "document_title": document_title,
        "start_char_index": start,
        "end_char_index": start + len(cited),
        "file_id": None,
    }


def thinking(value: str, *, signature: str | None = None) -> Block:
    """Return a thinking block; the signature comes whole in the last delta."""
    return Block(
        content={"type": "thinking", "thinking": value, "signature": signature}
    )


def redacted_thinking(data: str | None = None) -> Block:
    """Return a block of encrypted thinking, which arrives whole."""
    return Block(content={"type": "redacted_thinking", "data": data})


def tool_use(
    name: str, arguments: Mapping[str, Any], *, id: str | None = None
) -> Block:
    """Return a call of one of the client's tools."""
    return _call("tool_use", name, arguments, id)


def server_tool_use(
    name: str, arguments: Mapping[str, Any], *, id: str | None = None
) -> Block:
    """Return a call of a tool that the API runs by itself."""
    return _call("server_tool_use", name, arguments, id)


def _call(kind: str, name: str, arguments: Mapping[str, Any], id: str | None) -> Block:
    return Block(
        content={"type": kind, "id": id, "name": name, "input": dict(arguments)}
    )


def server_tool_result(
    kind: str, content: object, *, tool_use_id: str | None = None
) -> Block:
    """
    Return the result of a server tool, which arrives whole, without deltas.

    Args:
        kind: The block's type: ``web_fetch_tool_result`` and so on.
        tool_use_id: None refers to the server tool call before it.
    """
    return Block(content={"type": kind, "tool_use_id": tool_use_id, "content": content})


def web_search_result(*pages: Page, tool_use_id: str | None = None) -> Block:
    """Return the result of a web search: one large event."""
    found = [
        {
            "type": "web_search_result",
            "title": page.title,
            "url": page.url,
            "encrypted_content": make_opaque(page.size, page.url),
            "page_age": page.page_age,
        }
        for page in pages
    ]
    return server_tool_result("web_search_tool_result", found, tool_use_id=tool_use_id)


def unknown_block(kind: str = "hologram", **fields: object) -> Block:
    """Return a block of a type that no client knows yet, which arrives whole."""
    return Block(content={"type": kind, **fields})


def unknown_delta(block: Block, kind: str = "mood_delta", **fields: object) -> Block:
    """Return the block with one more delta, of a type that no client knows yet."""
    delta = {"type": kind, **fields}
    return replace(block, odd_deltas=(*block.odd_deltas, delta))


def refusal(
    explanation: str = "This request can't be answered.",
    *,
    category: str | None = None,
) -> Stop:
    """
    Return the stop of a refused message; alone it makes a message without blocks.

    Args:
        category: One of the API's policy categories; None where there is none.
    """
    details = {"type": "refusal", "category": category, "explanation": explanation}
    return Stop(reason="refusal", details=details)


def error_event(
    error_type: str = "overloaded_error", message: str = "Overloaded"
) -> Wire:
    """Return an error in the midst of a stream, which ends there."""
    error = {"details": None, "type": error_type, "message": message}
    return Wire(
        raw=api_event({"type": "error", "error": error}, padding=1), is_last=True
    )


def unknown_event(kind: str = "message_hint", **fields: object) -> Wire:
    """Return an event of a type that no client knows yet."""
    return Wire(raw=api_event({"type": kind, **fields}))


def raw(value: bytes) -> Wire:
    """Return bytes to put between two blocks: comments, broken events, anything."""
    return Wire(raw=value)
