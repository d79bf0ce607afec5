"""
Rules that come with streamtape, for agents whose requests never repeat by themselves.

Claude Code, and the agent SDK which runs it, tell the model about the machine: the
folder, the home, the git status, the day. All that is replaced here by what it is
in every run, as the request itself says what it was. What the user says is not: there
another day or folder is another question.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamtape.core.matching.bodies import map_texts
from streamtape.core.matching.coarse import (
    CLOSE_REMINDER,
    OPEN_REMINDER,
    change_reminders,
    coarse_body,
)
from streamtape.core.model import find_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamtape.core.model import Request


class Preset(StrEnum):
    """
    Which rules of ours apply.
    """

    AUTO = "auto"
    """``agent`` for clients whose user agent begins with ``claude-cli/``."""
    NONE = "none"
    AGENT = "agent"
    """Another folder, home, git state, machine and day make no difference."""
    AGENT_COARSE = "agent-coarse"
    """
    Only what user, model and tools said counts: a new version of the agent, with
    another system text and other tools, makes no difference either.
    """


_AGENT: Final = "claude-cli/"

_Row: TypeAlias = tuple[str, re.Pattern[str], str]
"""
A text that has to be there, which is found far faster than what it is a part of,
then what is replaced, and by what.
"""

_FOLDER: Final = re.compile(
    r"^(?: - )?(?:Primary w|W)orking directory: (/.*|[A-Za-z]:\\.*)", re.MULTILINE
)
_MEMORY: Final = re.compile(r"`([^`\n]+)[/\\]projects[/\\]([^`/\\\n]+)[/\\]memory")
"""
The agent's own folder, mostly ``.claude`` in the home, and the project's folder as
the agent spells it in names of its own.
"""
_SHORTEST_PATH: Final = 4
"""A shorter one, such as a single slash, is part of too much else."""

_REPLACED: Final[tuple[_Row, ...]] = (
    (
        "x-anthropic-billing-header",
        re.compile(r"^x-anthropic-billing-header: .*", re.MULTILINE),
        "<billing>",
    ),
    (
        "Today's date is",
        re.compile(r"Today's date is (now )?\d{4}-\d\d-\d\d"),
        r"Today's date is \1<date>",
    ),
    (
        "orking directory: ",
        re.compile(r"^( - )?((?:Primary w|W)orking directory: ).*", re.MULTILINE),
        r"\1\2<folder>",
    ),
    ("memory", _MEMORY, "`<memory>"),
    (
        # It may be of a folder further up.
        "Contents of ",
        re.compile(r"^Contents of .*[/\\]([^/\\\n]+ \()", re.MULTILINE),
        r"Contents of <folder>/\1",
    ),
    (
        " - Is a git repository: ",
        re.compile(r"^ - Is a git repository: .*", re.MULTILINE),
        " - <git>",
    ),
    (
        "OS Version: ",
        re.compile(r"^ - (Platform|Shell|OS Version): .*", re.MULTILINE),
        r" - \1: <os>",
    ),
)
_GIT_STATUS: Final = re.compile(
    r"^(?:# gitStatus\n|gitStatus: )This is the git status at the start of",
    re.MULTILINE,
)
_COMMITS: Final = re.compile(
    r"^Recent commits:$(?:\n[0-9a-f]{4,40}(?: .*)?$)*", re.MULTILINE
)
_NEW_DAY: Final = re.compile(
    r"The date has changed\. Today's date is now \d{4}-\d\d-\d\d\..*"
)


def is_for_agent(preset: Preset, request: Request) -> bool:
    """
    Whether a preset changes how a request is matched.
    """
    if preset is Preset.AUTO:
        agent = find_header(request.headers, "user-agent") or ""
        return agent.startswith(_AGENT)
    return preset is not Preset.NONE


def apply_preset(preset: Preset, request: Request, body: Any) -> Any:
    """
    Return what the key sees of a JSON body under a preset.
    """
    if not is_for_agent(preset, request) or not isinstance(body, dict):
        return body
    paths = _paths(body)

    def by_agent(text: str) -> str:
        return _replace_all(_without_git_status(text), (*paths, *_REPLACED))

    def by_tool(text: str) -> str:
        return _replace_all(text, paths)

    changed = dict(body)
    if "system" in body:
        changed["system"] = map_texts(body["system"], by_agent)
    if isinstance(messages := body.get("messages"), list):
        changed["messages"] = [
            _plain_message(_change_message(message, by_agent, by_tool))
            for message in messages
            if not _is_aside(message)
        ]
    return coarse_body(changed) if preset is Preset.AGENT_COARSE else changed


def _change_message(
    message: Any, by_agent: Callable[[str], str], by_tool: Callable[[str], str]
) -> Any:
    """
    Return a message with what the agent put into it changed, and what tools got and
    gave.
    """
    match message:
        case {"role": "system"}:
            return map_texts(message, by_agent)
        case {"role": "user", "content": str(text)}:
            return {**message, "content": change_reminders(text, by_agent)}
        case {"role": "user", "content": [*blocks]}:
            kept = [block for block in blocks if not _is_aside(block)]
            content = [_change_block(block, by_agent, by_tool) for block in kept]
            return {**message, "content": content}
        case {"content": [*blocks]}:
            # What the model says comes back as it was recorded.
            content = [_change_block(block, str, by_tool) for block in blocks]
            return {**message, "content": content}
        case _:
            return message


def _change_block(
    block: Any, by_agent: Callable[[str], str], by_tool: Callable[[str], str]
) -> Any:
    match block:
        case {"type": "text", "text": str(text)}:
            return {**block, "text": change_reminders(text, by_agent)}
        case {"type": "tool_use", "input": given}:
            return {**block, "input": map_texts(given, by_tool)}
        case {"type": "tool_result", "content": result}:
            return {**block, "content": map_texts(result, by_tool)}
        case _:
            return block


def _plain_message(message: Any) -> Any:
    """
    Return a message with its content as blocks, without marks for the cache.

    The last message alone is sent so, and on a new day it is another one.
    """
    match message:
        case {"content": str(text)}:
            return {**message, "content": [{"type": "text", "text": text}]}
        case {"content": [*blocks]}:
            return {**message, "content": [*map(_without_cache_mark, blocks)]}
        case _:
            return message


def _without_cache_mark(block: Any) -> Any:
    if not isinstance(block, dict):
        return block
    return {key: block[key] for key in block if key != "cache_control"}


def _paths(body: dict[str, Any]) -> list[_Row]:
    """
    Return what to replace of the folders that this request itself names.
    """
    folder = memory = None
    # The user may name others.
    by_agent = [body.get("system")]
    if isinstance(messages := body.get("messages"), list):
        by_agent += [each for each in messages if _is_by_agent(each)]
    for text in _texts_in(by_agent):
        folder = folder or _FOLDER.search(text)
        memory = memory or _MEMORY.search(text)
        if folder and memory:
            break
    config, slug = memory.groups() if memory else ("", "")
    # Of equal paths the last one counts: some work in their home.
    named = {
        re.sub(r"[/\\]\.claude$", "", config): "<home>",
        folder[1].rstrip() if folder else "": "<folder>",
        slug: "<folder>",
        config: "<config>",
    }
    # The longest first, since each may lie in another one, the home in the folder too.
    return [
        (path, _path_pattern(path), named[path])
        for path in sorted(named, key=len, reverse=True)
        if len(path) >= _SHORTEST_PATH
    ]


def _replace_all(text: str, rows: Iterable[_Row]) -> str:
    for needle, pattern, instead in rows:
        if needle in text:
            text = pattern.sub(instead, text)
    return text


def _path_pattern(path: str) -> re.Pattern[str]:
    """
    Return what finds a path where it isn't a part of a longer name.
    """
    # Checked behind it, because a pattern that begins with a text is searched fast.
    literal = re.escape(path)
    return re.compile(rf"{literal}(?<![\w.~-]{literal})(?![\w-]|\.\w)")


def _is_by_agent(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "system"


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts_in(item)
        case dict():
            for item in value.values():
                yield from _texts_in(item)


def _is_aside(item: Any) -> bool:
    """
    Whether a message or a block tells the git status or a new day and nothing else:
    in another run it isn't there at all.
    """
    match item:
        case {"role": "system", "content": str(text) | [{"text": str(text)}]}:
            return _NEW_DAY.fullmatch(text.strip()) is not None
        case {"type": "text", "text": str(text)} if text.startswith(OPEN_REMINDER):
            before, status, behind = _cut_git_status(text)
            is_whole = behind.find(CLOSE_REMINDER) == len(behind.rstrip()) - len(
                CLOSE_REMINDER
            )
            # The tags, and a line each to introduce it and to explain it.
            is_alone = _lines_in(before) < 3 and _lines_in(behind) < 3
            return bool(status) and is_whole and is_alone
        case _:
            return False


def _lines_in(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def _without_git_status(text: str) -> str:
    before, status, behind = _cut_git_status(text)
    return (before + behind).rstrip() if status else text


def _cut_git_status(text: str) -> tuple[str, str, str]:
    """
    Return what stands before the git status, the status, empty where there is
    none, and what stands behind.
    """
    # The search for it is slow where it is begun in vain.
    start = _GIT_STATUS.search(text) if "gitStatus" in text else None
    end = _COMMITS.search(text, start.end()) if start else None
    if not start or not end:
        return text, "", ""
    return text[: start.start()], text[start.start() : end.end()], text[end.end() :]
