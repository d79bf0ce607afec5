"""
The rule that would have made a request hit, if there is one that does no harm.

What a message says, the model and ``stream`` are neither ignored nor replaced: then
an answer to another question would come back, and nobody would notice. An agent's
own words in the messages, its reminders, are no question.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streamtape.core.matching.key import matched
from streamtape.core.matching.presets import Preset, is_for_agent
from streamtape.core.misses.added_rules import find_rules
from streamtape.core.misses.changes import Change, Side
from streamtape.core.misses.rule_toml import write_settings
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamtape.core.matching.rules import Rules
    from streamtape.core.misses.changes import Location
    from streamtape.core.model import Request

_MOST_TOML_CHARS: Final = 800


def find_advice(
    asked: Request,
    recorded: Request,
    rules: Rules,
    changes: Iterable[Change],
    *,
    confuses: Callable[[Rules], bool],
) -> str | None:
    """
    Return lines of TOML for ``[tool.streamtape]`` that give both requests one key.

    Each setting in them has its whole value: what is in force, and what has to be
    added to it.

    Args:
        rules: Those in force.
        changes: All that differs under these rules.
        confuses: Whether proposed rules take two recorded requests for one that these
            rules tell apart.

    Returns:
        None if no rule would do it that is known to be harmless.
    """
    for proposed in _proposals(asked, rules, list(changes)):
        toml = write_settings(proposed, rules)
        if (
            len(toml) <= _MOST_TOML_CHARS
            and _hits(asked, recorded, proposed)
            and not confuses(proposed)
        ):
            return toml
    return None


def _proposals(asked: Request, rules: Rules, found: list[Change]) -> Iterator[Rules]:
    tops = {change.place[:1] for change in found if change.side is Side.BODY}
    is_coarse = rules.preset is Preset.AGENT_COARSE
    if (
        is_for_agent(rules.preset, asked)
        and not is_coarse
        and tops & {("system",), ("tools",)}
    ):
        yield replace(rules, preset=Preset.AGENT_COARSE)
    added = find_rules(found, rules, _system_messages(asked, rules))
    if added is not None:
        yield added


def _system_messages(asked: Request, rules: Rules) -> frozenset[Location]:
    """
    Return the places of the messages that neither user, model nor tools wrote.
    """
    match matched(asked, rules).body:
        case {"messages": [*messages]}:
            return frozenset(
                ("messages", index)
                for index, message in enumerate(messages)
                if isinstance(message, dict) and message.get("role") == "system"
            )
        case _:
            return frozenset()


def _hits(asked: Request, recorded: Request, proposed: Rules) -> bool:
    try:
        asked_key = matched(asked, proposed).key
        return asked_key == matched(recorded, proposed).key
    except UsageError:
        # A pattern takes too long on the texts that are left.
        return False
