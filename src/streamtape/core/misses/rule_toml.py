"""
Rules as a project writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamtape.core.matching.rules import Rules


def write_settings(proposed: Rules, rules: Rules) -> str:
    """
    Write the settings that proposed rules don't have in common with others, as TOML.
    """
    lines = []
    for name in ("preset", "headers", "ignore", "replace", "rename_ids"):
        value = getattr(proposed, name)
        if value != getattr(rules, name):
            lines.append(f"{name} = {_write(value, is_literal=name == 'replace')}")
    return "\n".join(lines)


def _write(value: object, *, is_literal: bool) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            items = [_write(item, is_literal=is_literal) for item in value]
            return f"[{', '.join(items)}]"
        case _:
            return _quote(str(value), is_literal=is_literal)


def _quote(text: str, *, is_literal: bool) -> str:
    """
    Write a string of TOML: in single quotes nothing needs to be escaped.
    """
    if is_literal and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in text.replace("\\", r"\\").replace('"', r"\"")
    )
    return f'"{escaped}"'
