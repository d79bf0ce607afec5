"""
Taking out of a body what JSON paths name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamtape.core.matching.json_paths import find_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence


def ignore_paths(body: Any, paths: Sequence[str], *, size_bytes: int = 0) -> Any:
    """
    Return a body without what the paths name; changes it in place.

    Every path names places in the whole body, whatever the others take away.

    Args:
        size_bytes: Of the body as it was sent.

    Raises:
        UsageError: The paths look at more places than they may.
    """
    # Arrays and objects by their identity, and what of each one goes.
    gone: dict[int, tuple[Any, set[int | str]]] = {}
    for node in find_nodes(paths, body, size_bytes=size_bytes):
        if node.parent is None:
            return None
        around = node.parent.value
        _, keys = gone.setdefault(id(around), (around, set()))
        keys.add(node.location[-1])
    for around, keys in gone.values():
        if isinstance(around, dict):
            for key in keys:
                del around[key]
        else:
            # Taking out one by one would move all that follow each time.
            around[:] = [item for at, item in enumerate(around) if at not in keys]
    return body
