"""
What agents tell the model about the machine and the run, besides what was said.

The folder, the home, the git status, the day: a request itself says what they were,
and they are replaced by what is in every run, or left out. Without all that an agent
adds, what is left is what was said in a conversation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamtape.core.matching.tool_ids import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


Row: TypeAlias = tuple[str, re.Pattern[str], str]
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

IN_EVERY_RUN: Final[tuple[Row, ...]] = (
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


def named_paths(body: dict[str, Any]) -> list[Row]:
    """Return what to replace of the folders that this request itself names."""
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


def replace_rows(text: str, rows: Iterable[Row]) -> str:
    for needle, pattern, instead in rows:
        if needle in text:
            text = pattern.sub(instead, text)
    return text


def _path_pattern(path: str) -> re.Pattern[str]:
    """Return what finds a path where it isn't a part of a longer name."""
    # Checked after it, because a pattern that begins with a text is searched fast.
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


def is_agent_context(item: Any) -> bool:
    """
    Whether a message or a block tells the git status or a new day and nothing else:
    in another run it isn't there at all.
    """
    match item:
        case {"role": "system", "content": str(text) | [{"text": str(text)}]}:
            return _NEW_DAY.fullmatch(text.strip()) is not None
        case {"type": "text", "text": str(text)} if text.startswith(OPEN_REMINDER):
            before, status, after = _cut_git_status(text)
            is_whole = after.find(CLOSE_REMINDER) == len(after.rstrip()) - len(
                CLOSE_REMINDER
            )
            # The tags, and a line each to introduce it and to explain it.
            is_alone = _lines_in(before) < 3 and _lines_in(after) < 3
            return bool(status) and is_whole and is_alone
        case _:
            return False


def _lines_in(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def without_git_status(text: str) -> str:
    before, status, after = _cut_git_status(text)
    return (before + after).rstrip() if status else text


def _cut_git_status(text: str) -> tuple[str, str, str]:
    """
    Return what stands before the git status, the status, empty where there is
    none, and what stands after.
    """
    # The search for it is slow where it is begun in vain.
    start = _GIT_STATUS.search(text) if "gitStatus" in text else None
    end = _COMMITS.search(text, start.end()) if start else None
    if not start or not end:
        return text, "", ""
    return text[: start.start()], text[start.start() : end.end()], text[end.end() :]


OPEN_REMINDER: Final = "<system-reminder>"
CLOSE_REMINDER: Final = "</system-reminder>"

_SPEAKERS: Final = ("user", "assistant")


def coarse_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return the model, whether it streams, and what user, assistant and tools said."""
    kept: dict[str, Any] = {}
    kept.update((key, body[key]) for key in ("model", "stream") if key in body)
    messages = body.get("messages")
    # Which result belongs to which call counts, and not what they are called.
    names = Names()
    if isinstance(messages, list):
        kept["messages"] = [
            {"role": message["role"], "content": blocks}
            for message in messages
            if isinstance(message, dict) and message.get("role") in _SPEAKERS
            if (blocks := list(_said(message.get("content"), names)))
        ]
    return kept


def _said(content: Any, names: Names) -> Iterator[object]:
    """
    Yield the blocks of one message, each with no more than what was said.

    Args:
        names: Of the ids of tool calls.
    """
    match content:
        case str():
            blocks: list[Any] = [{"type": "text", "text": content}]
        case list():
            blocks = content
        case _:
            blocks = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                if said := without_reminders(text).strip():
                    yield {"type": "text", "text": said}
            case {"type": "tool_use", "id": tool, "name": name, "input": given}:
                call = {"type": "tool_use", "id": names.name(tool)}
                yield {**call, "name": name, "input": given}
            case {"type": "tool_result", "tool_use_id": tool}:
                content = list(_said(block.get("content"), names))
                failed = {"is_error": True} if block.get("is_error") is True else {}
                result = {"type": "tool_result", "tool_use_id": names.name(tool)}
                yield {**result, "content": content, **failed}
            case {"type": "thinking" | "redacted_thinking"}:
                continue
            case _:
                yield block


def without_reminders(text: str) -> str:
    """Return a text without what an agent put in between for the model."""
    return change_reminders(text, lambda _: "")


def change_reminders(text: str, change: Callable[[str], str]) -> str:
    """
    Return a text in which what an agent put in between, tags included, is changed.
    """
    if _is_reminder(text):
        # What it quotes, a commit's subject say, may hold the closing tag too.
        return change(text)
    first, *rest = text.split(OPEN_REMINDER)
    pieces = [first]
    for piece in rest:
        inside, close, after = piece.partition(CLOSE_REMINDER)
        reminder = OPEN_REMINDER + inside + close
        pieces.append(f"{change(reminder)}{after}" if close else reminder)
    return "".join(pieces)


def _is_reminder(text: str) -> bool:
    stripped = text.strip()
    is_one = stripped.startswith(OPEN_REMINDER) and stripped.endswith(CLOSE_REMINDER)
    return is_one and stripped.count(OPEN_REMINDER) == 1
