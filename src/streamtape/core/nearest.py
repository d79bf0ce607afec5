"""
What a miss says: the recorded request that is nearest, and where the two differ.

As for the key, the requests must be redacted ones.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from streamtape.core.differences import (
    SHOWN_CHARS,
    common_length,
    count_of,
    find_differences,
    matched_body,
)
from streamtape.core.matching import canonical_json, matched_json, matched_query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.model import Request

_SHOWN_DIFFERENCES = 3
_LINE_BYTES = 560
"""A message has at most seven lines, and so stays below 4 KiB."""


def similarity(a: Request, b: Request) -> tuple[bool, bool, bool, int, int]:
    """
    Return what orders candidates; more alike is greater.

    It is: same method and path, same ``stream``, same model, the length of what
    their messages have in common from the start, and minus the number of
    top-level keys that differ, the query counted as one.
    """
    fields_a, fields_b = _fields(a), _fields(b)
    messages_a, messages_b = (
        canonical_json(fields.get("messages")) for fields in (fields_a, fields_b)
    )
    differing = sum(
        fields_a.get(key) != fields_b.get(key) for key in fields_a.keys() | fields_b
    )
    return (
        (a.method, a.path) == (b.method, b.path),
        fields_a.get("stream", False) == fields_b.get("stream", False),
        fields_a.get("model") == fields_b.get("model"),
        common_length(messages_a, messages_b),
        -differing - (matched_query(a) != matched_query(b)),
    )


def find_nearest(
    requested: Request, candidates: Iterable[tuple[str, Request]]
) -> tuple[str, Request] | None:
    """
    Return the candidate most like a request, the first of equals.

    Args:
        candidates: Names of cassettes with their requests. They are read one by
            one, and only the best is held.

    Returns:
        One of the candidates, or None if there are none.
    """
    return max(
        candidates,
        key=lambda candidate: similarity(requested, candidate[1]),
        default=None,
    )


def miss_message(
    requested: Request,
    nearest: tuple[str, Request] | None,
    *,
    library: str,
    exhausted_takes: int | None,
) -> str:
    """
    Return a few lines that a person can act on, below 4 KiB in UTF-8.

    Args:
        nearest: Name and request of the nearest cassette, of the matching one if
            its takes are exhausted; None if the library is empty.
        library: The folder, as its user would type it.
        exhausted_takes: How many takes match and were all used, or None if none
            ever matched.
    """
    asked = _summary(requested)
    to_record = f"--cassettes {shlex.quote(_plain(library))}"
    if nearest is None:
        lines = [
            f"{asked}: no cassette in {_plain(library)} matches, as it is empty.",
            f"Record first: streamtape record {to_record}",
        ]
    elif exhausted_takes is not None:
        name = _plain(nearest[0])
        used = (
            f"the only recorded take of {name} was used"
            if exhausted_takes == 1
            else f"all {exhausted_takes} recorded takes of {name} were used"
        )
        lines = [
            f"{asked}: {used}.",
            "Replay with --exhausted last to repeat the last one, or --exhausted cycle "
            "to begin again, or record as many as are asked for.",
        ]
    else:
        lines = [
            f"{asked}: no cassette in {_plain(library)} matches.",
            *_nearest_lines(requested, nearest),
            "Send what was recorded, or record this too: "
            f"streamtape record --mode new_episodes {to_record}",
        ]
    return "\n".join(_cut(line) for line in lines)


def _nearest_lines(requested: Request, nearest: tuple[str, Request]) -> list[str]:
    name, recorded = nearest
    differences = find_differences(recorded, requested, _SHOWN_DIFFERENCES + 1)
    if not differences:
        return [f"The nearest is {_plain(name)}: only how the body is sent differs."]
    lines = [f"- {difference}" for difference in differences]
    if len(differences) > _SHOWN_DIFFERENCES:
        lines[_SHOWN_DIFFERENCES:] = ["- and more"]
    return [f"The nearest is {_plain(name)}; recorded / requested:", *lines]


def _summary(request: Request) -> str:
    line = f"{_plain(request.method)} {_plain(request.target)}"
    match matched_json(request):
        case {"model": str(model), "messages": [*messages]}:
            count = count_of(len(messages), "message")
            return f"{line}, model {_plain(model[:SHOWN_CHARS])}, {count}"
        case _:
            return line


def _fields(request: Request) -> dict[str, object]:
    body = matched_body(request)
    return body if isinstance(body, dict) else {"": body}


def _plain(text: str) -> str:
    return "".join(
        char if char.isprintable() else repr(char)[1:-1] for char in text[:_LINE_BYTES]
    )


def _cut(line: str) -> str:
    encoded = line.encode()
    if len(encoded) <= _LINE_BYTES:
        return line
    return encoded[: _LINE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
