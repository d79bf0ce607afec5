"""
How a finished content block comes over the wire: its start, then its deltas.
"""

from __future__ import annotations

import json
import re

from streamtape.testing.blocks import JsonObject
from streamtape.testing.seeds import Dice

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
    """
    Return what the model itself wrote of a block, ``""`` if it arrives whole.
    """
    match content["type"]:
        case "text" | "thinking" as kind:
            return str(content[kind])
        case "tool_use" | "server_tool_use" if content["input"]:
            # The model puts spaces into its JSON, unlike the API around it.
            return json.dumps(content["input"], ensure_ascii=False)
        case _:
            return ""


def count_tokens(text: str) -> int:
    """
    Return a plausible number of tokens: one for each six letters of a word.
    """
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
    """
    Cut text into pieces of one to four tokens; joined, they are the text.
    """
    tokens = _TOKEN.findall(text)
    pieces = []
    start = 0
    while start < len(tokens):
        end = start + 1 + dice.below(4)
        pieces.append("".join(tokens[start:end]))
        start = end
    return pieces
