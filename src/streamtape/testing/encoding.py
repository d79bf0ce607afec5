"""
JSON and events in the serialisation of the API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from streamtape.core.streams.sse import encode_event

PING: Final = encode_event('{"type": "ping"}', name="ping")
"""A ping; the API writes it with other code than the rest, hence the space."""


def to_json(value: object) -> str:
    """
    Write JSON without spaces, characters beyond ASCII as they are.
    """
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
