"""
The rule that would have made a request hit, if there is one that does no harm.

What a message says, the model and ``stream`` are neither ignored nor replaced: then
an answer to another question would come back, and nobody would notice. An agent's
own words in the messages, its reminders, are no question.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from streamtape.core.matching.agent_context import without_reminders
from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.presets import Preset, is_for_agent
from streamtape.core.matching.replace import replace_texts
from streamtape.core.misses.diff import Change, Side, common_length, write_path
from streamtape.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from streamtape.core.matching.key import MatchInput
    from streamtape.core.matching.rules import Rules
    from streamtape.core.misses.diff import Location
    from streamtape.core.model import Request


_MOST_TOML_CHARS: Final = 800


def find_advice(
    asked: Request,
    recorded: Request,
    rules: Rules,
    changes: Sequence[Change],
    *,
    match_input: MatchInput,
    confuses: Callable[[Rules], bool],
) -> str | None:
    """
    Return lines of TOML for ``[tool.streamtape]`` that give both requests one key.

    Each setting in them has its whole value: what is in force, and what has to be
    added to it.

    Args:
        rules: Those in force.
        changes: All that differs under these rules.
        match_input: Of the request that was asked, under these rules.
        confuses: Whether proposed rules take two recorded requests for one that these
            rules tell apart.

    Returns:
        None if no rule would do it that is known to be harmless.
    """
    by_agent = _system_messages(match_input)
    for proposed in _proposals(asked, rules, changes, by_agent):
        toml = write_settings(proposed, rules)
        if (
            len(toml) <= _MOST_TOML_CHARS
            and _replayer(asked, recorded, proposed)
            and not confuses(proposed)
        ):
            return toml
    return None


def _proposals(
    asked: Request,
    rules: Rules,
    found: Sequence[Change],
    by_agent: frozenset[Location],
) -> Iterator[Rules]:
    tops = {change.place[:1] for change in found if change.side is Side.BODY}
    is_coarse = rules.preset is Preset.AGENT_COARSE
    if (
        is_for_agent(rules.preset, asked)
        and not is_coarse
        and tops & {("system",), ("tools",)}
    ):
        yield replace(rules, preset=Preset.AGENT_COARSE)
    added = find_rules(found, rules, by_agent)
    if added is not None:
        yield added


def _system_messages(match_input: MatchInput) -> frozenset[Location]:
    """Return the places of the messages that neither user, model nor tools wrote."""
    match match_input.body:
        case {"messages": [*messages]}:
            return frozenset(
                ("messages", index)
                for index, message in enumerate(messages)
                if isinstance(message, dict) and message.get("role") == "system"
            )
        case _:
            return frozenset()


def _replayer(asked: Request, recorded: Request, proposed: Rules) -> bool:
    try:
        asked_key = match_input_of(asked, proposed).key
        return asked_key == match_input_of(recorded, proposed).key
    except UsageError:
        # A pattern takes too long on the texts that are left.
        return False


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
    """What has to be added to the rules."""

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
        """Return the rules with all of it, or None where that would do harm."""
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


_MOST_PATHS: Final = 2
"""For more places of one key, the key is ignored wherever it is."""
_CACHE: Final = "cache_control"
_AROUND_CACHE: Final = frozenset({"messages", "system", "tools", "content"})
_IGNORABLE: Final = frozenset(
    {
        _CACHE,
        "betas",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)
"""Fields of a request that say how to answer, and not what."""
_NAMING: Final = (("model",), ("name",), ("role",), ("type",))
"""Ends of places with such a text."""
_PAGING: Final = frozenset({"after_id", "before_id", "limit", "page"})
"""Parameters of a query that say which part of a list is asked for."""
_TOOL_IDS: Final = (("id",), ("tool_use_id",))


def find_ignorable(change: Change) -> str | None:
    """Return what to ignore so that a change goes away, if that does no harm."""
    place = change.place
    if change.side is Side.QUERY:
        return None if place[0] in _PAGING else f"?{place[0]}"
    if change.side is not Side.BODY:
        return None
    if _CACHE in place:
        place = place[: place.index(_CACHE) + 1]
        around = {step for step in place[:-1] if isinstance(step, str)}
        return write_path(place, is_general=True) if around <= _AROUND_CACHE else None
    top, *inner = place or ("",)
    if top == "tools" and len(inner) > 1 and inner[1] not in ("name", "type"):
        return write_path(place[:3], is_general=True)
    return str(top) if top in _IGNORABLE else None


def fewest_paths(paths: Iterable[str]) -> list[str]:
    """Leave out the paths that others hold, and name a key once that is everywhere."""
    given = sorted(paths)
    held = tuple(f"{path}[" for path in given)
    kept = [path for path in given if not path.startswith(held)]
    cached = [path for path in kept if path.endswith(_CACHE)]
    if len(cached) > _MOST_PATHS:
        kept = [path for path in kept if path not in cached] + [f"$..{_CACHE}"]
    return kept


def names_a_thing(place: Location) -> bool:
    """
    Whether a text says which thing is meant: then another one is another question.
    """
    return place[-1:] in _NAMING or "source" in place


def is_tool_id(place: Location) -> bool:
    """Whether a text tells which call a result belongs to."""
    return place[-1:] in _TOOL_IDS


_TABLE: Final = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\d{4}-\d\d-\d\d", "<date>"),
    (r"(?:[A-Z][a-z]+day, )?[A-Z][a-z]{2,8} \d{1,2}, \d{4}", "<date>"),
    (r"\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b", "<time>"),
    (r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b", "<uuid>"),
    (
        r"\b(?:(?:srv|mcp)?toolu|msg|req|file|(?:msg)?batch|container|session)"
        r"_(?=[A-Za-z]*\d)[0-9A-Za-z]{16,}\b",
        "<id>",
    ),
    (
        r"(?:/tmp|/var/folders/\w+/\w+/T)/(?:[\w.+-]++(?=/)|[\w+-]++(?!\.\w))",
        "<tmp>",
    ),
    (r"(?<![\w/:.>])/(?:[\w.@+-]+/)+", "<folder>/"),
    (r"\b\d{9,}(?:\.\d+)?\b", "<number>"),
    (r"\b[0-9a-f]{12,}\b", "<hex>"),
)
"""
Patterns and what stands in for what they find, the more special ones first.

Of an absolute path the last part stays, of one to what is temporary if it has the
ending of a file: another file is another question. Each runs in linear time.
"""

_AROUND_CHARS: Final = 120
_MOST_CHARS: Final = 20_000
"""Texts that differ in more than this differ in more than a date or two."""

Replacements = tuple[tuple[str, str], ...]
Pair = tuple[str, str]


def find_replacements(pairs: Sequence[Pair]) -> Replacements | None:
    """
    Return the fewest replacements that make the two texts of every pair equal, or
    None if they differ in more than what changes from run to run.
    """
    windows = [_around_difference(*pair) for pair in pairs]
    if sum(len(a) + len(b) for a, b in windows) > 2 * _MOST_CHARS:
        return None
    for row in _TABLE:
        if _are_equal(windows, (row,)):
            return (row,)
    needed: Replacements = _TABLE
    if not _are_equal(windows, needed):
        return None
    for row in _TABLE:
        fewer = tuple(each for each in needed if each != row)
        if _are_equal(windows, fewer):
            needed = fewer
    return needed


def _are_equal(pairs: Sequence[Pair], replacements: Replacements) -> bool:
    return all(
        replace_texts(a, replacements) == replace_texts(b, replacements)
        for a, b in pairs
    )


def _around_difference(a: str, b: str) -> Pair:
    """
    Return of both texts what differs, with so much around it that patterns find it.
    """
    start = common_length(a, b)
    end = common_length(a[start:][::-1], b[start:][::-1])
    start = max(0, start - _AROUND_CHARS)
    end = max(0, end - _AROUND_CHARS)
    return a[start : len(a) - end], b[start : len(b) - end]


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
    """Write a string of TOML: in single quotes nothing needs to be escaped."""
    if is_literal and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in text.replace("\\", r"\\").replace('"', r"\"")
    )
    return f'"{escaped}"'
