"""How a client's script tells what it got: one line of JSON, and an exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

MODEL: Final = "claude-demo"

WEATHER: Final[dict[str, Any]] = {
    "name": "get_weather",
    "description": "Tells the weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


def tell(ways: dict[str, Callable[[str], object]]) -> None:
    """
    Go the way that the first argument names, with the prompt after it.

    Prints what the way returns, or the error that it raises, which makes status 1.
    """
    way, prompt = sys.argv[1:]
    try:
        got = ways[way](prompt)
    except Exception as exc:
        got = {"error": type(exc).__name__, "message": str(exc)}
        status = 1
    else:
        status = 0
    sys.stdout.write(json.dumps(got, sort_keys=True) + "\n")
    sys.exit(status)


def plain(value: Any) -> Any:
    """Return a pydantic model in the types of JSON."""
    return value.model_dump(mode="json", warnings=False)
