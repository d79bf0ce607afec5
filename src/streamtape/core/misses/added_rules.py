"""
Rules that make the changes between two requests go away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamtape.core.matching.coarse import without_reminders
from streamtape.core.misses.changes import Change, Side
from streamtape.core.misses.ignorable import (
    fewest_paths,
    find_ignorable,
    is_tool_id,
    names_a_thing,
)
from streamtape.core.misses.volatile import find_replacements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamtape.core.matching.rules import Rules
    from streamtape.core.misses.changes import Location
    from streamtape.core.misses.volatile import Pair


def find_rules(
    found: Iterable[Change], rules: Rules, by_agent: frozenset[Location]
) -> Rules | None:
    """
    Return the rules and what makes each change go away, or None if one can't.

    Args:
        by_agent: Places of messages that are the agent's own.
    """
    added = _Added()
    for change in found:
        path = find_ignorable(change)
        match change:
            case Change(side=Side.HEADER):
                added.headers.add(str(change.place[0]))
            case Change(
                side=Side.BODY, recorded=(str(old),), requested=(str(new),)
            ) if not names_a_thing(change.place):
                if path is None and is_tool_id(change.place):
                    added.renames_ids = True
                elif (
                    path is None
                    and change.place[:2] not in by_agent
                    and not _is_in_reminder(change.place, old, new)
                ):
                    return None
                else:
                    added.texts.setdefault(path, []).append((old, new))
            case _ if path is None:
                return None
            case _:
                added.paths.add(path)
    return added.find_rules(rules)


@dataclass(slots=True, kw_only=True)
class _Added:
    """
    What has to be added to the rules.
    """

    paths: set[str] = field(default_factory=set)
    """What to ignore."""
    texts: dict[str | None, list[Pair]] = field(default_factory=dict)
    """
    Pairs of texts, by the path to ignore where replacing isn't enough; None stands
    for what must not be ignored.
    """
    headers: set[str] = field(default_factory=set)
    """What not to look at any more."""
    renames_ids: bool = False

    def find_rules(self, rules: Rules) -> Rules | None:
        """
        Return the rules with all of it, or None where that would do harm.
        """
        paths = set(self.paths)
        volatile: list[Pair] = []
        for path, pairs in self.texts.items():
            if path in paths:
                continue
            if find_replacements(pairs) is not None:
                volatile += pairs
            elif path is None:
                return None
            else:
                paths.add(path)
        replacements = find_replacements(volatile) if volatile else ()
        if replacements is None:
            return None
        return replace(
            rules,
            ignore=(*rules.ignore, *fewest_paths(paths)),
            replace=(*rules.replace, *replacements),
            headers=tuple(
                name for name in rules.headers if name.lower() not in self.headers
            ),
            rename_ids=rules.rename_ids or self.renames_ids,
        )


def _is_in_reminder(place: Location, old: str, new: str) -> bool:
    """
    Whether two texts of a message differ in nothing but what an agent put into them.
    """
    match place:
        case ("messages", int(), "content") | (
            "messages",
            int(),
            "content",
            int(),
            "text",
        ):
            return without_reminders(old) == without_reminders(new)
        case _:
            return False
