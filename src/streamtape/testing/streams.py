"""
Whole messages as the API sends them: as a stream of events, or as one object.

Both forms of the same items and seed have the same content, so that what a client
makes of the stream equals what it gets without streaming. All is pure: the seed
decides on ids, on where text is cut into deltas, on padding and on pings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack

from streamtape.testing.blocks import (
    PING,
    Block,
    Item,
    JsonObject,
    Stop,
    Wire,
    api_event,
    to_json,
)
from streamtape.testing.seeds import Dice, make_id, make_opaque

MODEL: Final = "claude-demo"
"""The model that answers where no other is asked for."""

_ID_PREFIXES: Final = {"tool_use": "toolu_01", "server_tool_use": "srvtoolu_01"}
_MOST_PADDING: Final = 15


class MessageFields(TypedDict, total=False):
    """What can be said of a message besides its items."""

    model: str
    id: str
    """Default: made from the seed."""
    stop_reason: str
    """Default: told by the items: a Stop, a tool call at the end, or end_turn."""
    usage: Mapping[str, Any]
    """Counters of the finished message, in place of the made-up ones."""
    seed: int
    """Default: 0."""


def message_stream(
    *items: Item, pings: int = 1, **fields: Unpack[MessageFields]
) -> list[bytes]:
    """
    Return the events of a streamed message, each with its terminating blank line.

    Args:
        items: In the order of the wire.
        pings: How many pings: the first after the first ``content_block_start``,
            the others anywhere after it.
        fields: See :class:`MessageFields`.
    """
    seed = fields.get("seed", 0)
    events = list(_events(items, fields))
    for place in _ping_places(events, pings, seed):
        events.insert(place, PING)
    dice = Dice("padding", seed)
    return [
        event
        if isinstance(event, bytes)
        else api_event(event, padding=dice.below(_MOST_PADDING + 1))
        for event in events
    ]


def message_json(*items: Item, **fields: Unpack[MessageFields]) -> bytes:
    """
    Return the same message as the body of an answer to ``"stream": false``.

    Raises:
        ValueError: The items end with an error, which only a stream can do.
    """
    if any(isinstance(item, Wire) and item.is_last for item in items):
        raise ValueError("an error midway has no form without streaming")
    contents = _contents(items, fields.get("seed", 0))
    totals = _totals(contents, fields)
    usage = {**_first_usage(totals), **totals}
    # The keys keep the order of the envelope.
    message = {
        **_envelope(fields, usage),
        "content": contents,
        **_stop(items, fields),
    }
    return to_json(message).encode()


def _events(
    items: Sequence[Item], fields: MessageFields
) -> Iterator[JsonObject | bytes]:
    seed = fields.get("seed", 0)
    contents = _contents(items, seed)
    totals = _totals(contents, fields)
    message = _envelope(fields, _first_usage(totals))
    yield {"type": "message_start", "message": message}
    index = 0
    for item, following in zip(items, [*items[1:], None], strict=True):
        match item:
            case Block():
                start, deltas = cut_block(contents[index], Dice("cuts", seed, index))
                yield _about(index, "content_block_start", content_block=start)
                for delta in (*deltas, *item.odd_deltas):
                    yield _about(index, "content_block_delta", delta=delta)
                if not (isinstance(following, Wire) and following.is_last):
                    yield _about(index, "content_block_stop")
                index += 1
            case Wire():
                yield item.raw
                if item.is_last:
                    return
            case Stop():
                pass
    yield {"type": "message_delta", "delta": _stop(items, fields), "usage": totals}
    yield {"type": "message_stop"}


def _about(index: int, kind: str, **rest: object) -> JsonObject:
    return {"type": kind, "index": index, **rest}


def _ping_places(
    events: Sequence[JsonObject | bytes], count: int, seed: int
) -> list[int]:
    """Return where to insert pings, last place first, all before ``message_delta``."""
    first = next(
        (
            place
            for place, event in enumerate(events, start=1)
            if isinstance(event, dict) and event["type"] == "content_block_start"
        ),
        1,
    )
    room = max(1, len(events) - 1 - first)
    dice = Dice("pings", seed)
    places = [first, *(first + dice.below(room) for _ in range(count - 1))]
    return sorted(places[:count], reverse=True)


def _contents(items: Sequence[Item], seed: int) -> list[JsonObject]:
    """Return the finished blocks, with what was left out filled in."""
    contents: list[JsonObject] = []
    call_id = make_id(_ID_PREFIXES["server_tool_use"], seed)
    for index, block in enumerate(item for item in items if isinstance(item, Block)):
        made: dict[str, str] = {
            "signature": make_opaque(180, "signature", seed, index),
            "data": make_opaque(240, "data", seed, index),
            "tool_use_id": call_id,
        }
        kind = block.content["type"]
        if kind in _ID_PREFIXES:
            made["id"] = make_id(_ID_PREFIXES[kind], seed, index)
        content = {
            key: made[key] if value is None and key in made else value
            for key, value in block.content.items()
        }
        if kind == "server_tool_use":
            call_id = content["id"]
        contents.append(content)
    return contents


def _envelope(fields: MessageFields, usage: JsonObject) -> JsonObject:
    return {
        "model": fields.get("model", MODEL),
        "id": fields.get("id") or make_id("msg_01", fields.get("seed", 0)),
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def _stop(items: Sequence[Item], fields: MessageFields) -> JsonObject:
    reason, details = "end_turn", None
    for item in items:
        match item:
            case Stop():
                reason, details = item.reason, item.details
            case Block():
                is_call = item.content["type"] == "tool_use"
                reason, details = ("tool_use" if is_call else "end_turn"), None
            case Wire():
                pass
    return {
        "stop_reason": fields.get("stop_reason", reason),
        "stop_sequence": None,
        "stop_details": details,
    }


def _totals(contents: Sequence[JsonObject], fields: MessageFields) -> JsonObject:
    """Return the counters of ``message_delta``."""
    return {
        "input_tokens": 25,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 3 + sum(count_tokens(written_text(one)) for one in contents),
        **fields.get("usage", {}),
    }


def _first_usage(totals: JsonObject) -> JsonObject:
    """Return the counters of ``message_start``, where the output has barely begun."""
    return {
        "input_tokens": totals["input_tokens"],
        "cache_creation_input_tokens": totals["cache_creation_input_tokens"],
        "cache_read_input_tokens": totals["cache_read_input_tokens"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": totals["cache_creation_input_tokens"],
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": min(totals["output_tokens"], 2),
        "service_tier": "standard",
        "inference_geo": "global",
    }


_TOKEN = re.compile(r"\s*\S{1,6}|\s+")


def cut_block(content: JsonObject, dice: Dice) -> tuple[JsonObject, list[JsonObject]]:
    """
    Split a finished block into its ``content_block_start`` and its deltas.

    What isn't text, thinking or a call arrives whole, without deltas.
    """
    pieces = _pieces(written_text(content), dice)
    match content["type"]:
        case "text":
            return _cut_text(content, pieces)
        case "thinking":
            signed = {"type": "signature_delta", "signature": content["signature"]}
            start = {**content, "thinking": "", "signature": ""}
            return start, [*_deltas("thinking_delta", "thinking", pieces), signed]
        case "tool_use" | "server_tool_use":
            deltas = _deltas("input_json_delta", "partial_json", ["", *pieces])
            return {**content, "input": {}}, deltas
        case _:
            return content, []


def written_text(content: JsonObject) -> str:
    """Return what the model itself wrote of a block, ``""`` if it arrives whole."""
    match content["type"]:
        case "text" | "thinking" as kind:
            return str(content[kind])
        case "tool_use" | "server_tool_use" if content["input"]:
            # The model puts spaces into its JSON, unlike the API around it.
            return json.dumps(content["input"], ensure_ascii=False)
        case _:
            return ""


def count_tokens(text: str) -> int:
    """Return a plausible number of tokens: one for each six letters of a word."""
    return len(_TOKEN.findall(text))


def _cut_text(
    content: JsonObject, pieces: list[str]
) -> tuple[JsonObject, list[JsonObject]]:
    deltas = _deltas("text_delta", "text", pieces)
    if "citations" not in content:
        return {**content, "text": ""}, deltas
    citations = [
        {"type": "citations_delta", "citation": citation}
        for citation in content["citations"]
    ]
    return {**content, "citations": [], "text": ""}, [*deltas, *citations]


def _deltas(kind: str, key: str, pieces: list[str]) -> list[JsonObject]:
    return [{"type": kind, key: piece} for piece in pieces]


def _pieces(text: str, dice: Dice) -> list[str]:
    """Cut text into pieces of one to four tokens; joined, they are the text."""
    tokens = _TOKEN.findall(text)
    pieces = []
    start = 0
    while start < len(tokens):
        end = start + 1 + dice.below(4)
        pieces.append("".join(tokens[start:end]))
        start = end
    return pieces
