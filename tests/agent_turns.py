"""Requests as an agent sends them, in short, and their keys."""

from __future__ import annotations

import copy
import json
from typing import Any

from streamtape.core.matching.key import request_key
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request
from streamtape.core.redaction.headers import clean_request
from streamtape.core.redaction.secrets import Secrets

OPEN, CLOSE = "<system-reminder>", "</system-reminder>"
MARK = {"type": "ephemeral"}
AGENT = "claude-cli/2.1.330 (external, sdk-cli)"
COMMITS = "71efb5a First\n83a4b80 Second"


def text(value: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": value, **more}


def user(*blocks: str) -> dict[str, Any]:
    return {"role": "user", "content": [text(block) for block in blocks]}


def git_status(commits: str = COMMITS, status: str = "(clean)") -> str:
    return (
        "This is the git status at the start of the conversation.\n\n"
        f"Current branch: main\n\nStatus:\n{status}\n\nRecent commits:\n{commits}"
    )


def git_block(commits: str = COMMITS, status: str = "(clean)") -> str:
    return (
        f"{OPEN}\nYou can use the following:\n# gitStatus\n"
        f"{git_status(commits, status)}\n\nAdded automatically.\n{CLOSE}"
    )


def turn(
    prompt: str = "hello",
    *,
    folder: str = "/tmp/a/proj",
    config: str = "/home/ann/.claude",
    git: str | None = None,
    day: str = "2026-11-22",
    version: str = "2.1.330.839",
    system: str = "Linux 6.18",
    platform: str = "linux",
    reminders: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return a first turn as the newest agent sends it, in short."""
    slug = "".join(char if char.isalnum() else "-" for char in folder)
    environment = (
        "# Environment\n"
        f" - Primary working directory: {folder}\n"
        f" - Is a git repository: {'true' if git else 'false'}\n"
        f" - Platform: {platform}\n - Shell: bash\n - OS Version: {system}\n"
        f" - Keep to the folder.\n\nToday's date is {day}."
    )
    blocks = (*((git,) if git else ()), *reminders, prompt)
    return {
        "model": "m",
        "max_tokens": 100,
        "stream": True,
        "system": [
            text(f"x-anthropic-billing-header: cc_version={version}; cc_entrypoint=x;"),
            text("You are an agent.", cache_control=MARK),
            text(f"Notes are at `{config}/projects/{slug}/memory/`. Be brief."),
        ],
        "messages": [
            user(*blocks),
            {"role": "system", "content": [text(environment, cache_control=MARK)]},
        ],
        "tools": [{"name": "Bash", "description": "Runs a command."}],
        "metadata": {"user_id": f"session in {folder}"},
    }


def old_turn(
    *,
    folder: str = "/tmp/a/proj",
    day: str = "2026-11-22",
    git: str | None = None,
    rule: str = "Be brief.",
) -> dict[str, Any]:
    """
    Return a first turn as 2.1.197 sends it: the environment is in the system text.
    """
    environment = (
        f" - Primary working directory: {folder}\n"
        f" - Is a git repository: {'true' if git else 'false'}\n\n{rule}"
    )
    if git:
        environment += f"\n\ngitStatus: {git}"
    dated = f"{OPEN}\n# currentDate\nToday's date is {day}.\n{CLOSE}\n\n"
    return {
        "model": "m",
        "system": [text(environment)],
        "messages": [user(dated, "hi")],
    }


def answered(body: dict[str, Any], *messages: dict[str, Any]) -> dict[str, Any]:
    """
    Return a later turn: all but the last message have lost their marks and blocks.
    """
    told = copy.deepcopy(body["messages"])
    told[1]["content"] = told[1]["content"][0]["text"]
    return {**body, "messages": [*told, *messages]}


def result(told: str) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "t", "content": [text(told)]}
    return {"role": "user", "content": [block]}


def key(body: object, preset: Preset = Preset.AGENT, agent: str = AGENT) -> str:
    request = Request(
        method="POST",
        target="/v1/messages?beta=true",
        headers=(("User-Agent", agent),),
        body=json.dumps(body).encode(),
    )
    return request_key(clean_request(request, Secrets()), Rules(preset=preset))
