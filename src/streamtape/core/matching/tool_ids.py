"""Ids of tool calls, which some clients make up anew each time."""

from __future__ import annotations

from typing import Any


class Names:
    """Other names for ids, by the order in which these come."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, tool_id: object) -> object:
        """Return the name of an id; what is no text is returned as it is."""
        if not isinstance(tool_id, str):
            return tool_id
        return self._names.setdefault(tool_id, f"tool-{len(self._names) + 1}")


def rename_tool_ids(body: Any) -> Any:
    """
    Return a body whose ids of tool calls are numbered as they appear.

    Results name the call that they belong to, so both are renamed alike. What a tool
    is given stays as it is.
    """
    match body:
        case {"messages": [*messages]}:
            return {**body, "messages": _rename(messages, Names())}
        case _:
            return body


def _rename(value: Any, names: Names) -> Any:
    match value:
        case list():
            return [_rename(item, names) for item in value]
        case dict():
            # The order in which a client writes keys is not to count.
            items = sorted(value.items())
            if str(value.get("type")).endswith("tool_use"):
                return {k: names.name(v) if k == "id" else v for k, v in items}
            return {
                k: names.name(v) if k == "tool_use_id" else _rename(v, names)
                for k, v in items
            }
        case _:
            return value
