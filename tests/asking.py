"""A request with a bit of everything, and others that differ from it in one thing."""

from __future__ import annotations

import copy
import json
from typing import Any

from streamtape.core.model import Request

SYSTEM = "You are a careful assistant. Answer in one short sentence, and say so."
RECORDED: dict[str, Any] = {
    "model": "claude-x",
    "max_tokens": 100,
    "temperature": 1,
    "stream": True,
    "system": SYSTEM,
    "tools": [
        {"name": "read", "input_schema": {"type": "object"}},
        {"name": "write", "input_schema": {"type": "object"}},
    ],
    "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
        {"role": "user", "content": "Bye"},
    ],
}


def post(body: object, target: str = "/v1/messages", method: str = "POST") -> Request:
    return Request(method=method, target=target, body=json.dumps(body).encode())


def changed(**fields: object) -> Request:
    return post({**RECORDED, **fields})


def with_item(field: str, index: int, *items: object) -> Request:
    body = copy.deepcopy(RECORDED)
    body[field][index:index] = items
    return post(body)
