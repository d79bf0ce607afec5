from __future__ import annotations

from typing import Any

import pytest

from agent_turns import (
    CLOSE,
    OPEN,
    answered,
    key,
    result,
    turn,
)
from streamtape.core.matching.presets import Preset


def test_paths_in_the_folder_and_the_home_are_those_of_any_other() -> None:
    def body(folder: str, home: str) -> dict[str, Any]:
        told = f"See {folder}/a.txt, '{folder}', {folder}. And {home}/notes?"
        used = {"type": "tool_use", "id": "t", "input": {"path": f"{folder}/b"}}
        reminder = f"{OPEN}{told}{CLOSE}"
        first = turn(folder=folder, config=f"{home}/.claude", reminders=(reminder,))
        call = {"role": "assistant", "content": [used]}
        return {**first, "messages": [*first["messages"], call, result(told)]}

    assert key(body("/work", "/root")) == key(body("/home/ann/proj", "/home/ann"))


@pytest.mark.parametrize(
    "words",
    [
        "/tmp/a/proj2",
        "/tmp/a/proj-x",
        "/tmp/a/proj.old",
        "/x/tmp/a/proj",
        "~/tmp/a/proj",
    ],
)
def test_a_path_that_only_begins_or_ends_alike_is_another_one(words: str) -> None:
    one, other = (
        answered(turn(folder=folder), result(words))
        for folder in ("/tmp/a/proj", "/srv/x")
    )

    assert key(one) == key(other)
    assert key(answered(turn(), result("/tmp/a/proj"))) == key(
        answered(turn(folder="/srv/x"), result("/srv/x"))
    )


def test_a_folder_that_the_user_names_is_not_the_agents() -> None:
    def body(folder: str) -> dict[str, Any]:
        told = f"{OPEN}Changed: {folder}/a.txt{CLOSE}"
        return turn("Working directory: /etc/b", folder=folder, reminders=(told,))

    assert key(body("/tmp/a/proj")) == key(body("/srv/x"))


def test_a_word_in_the_folders_name_stays_in_other_words() -> None:
    found = result("a web-app with http/app/x")
    one, other = (answered(turn(folder=folder), found) for folder in ("/app", "/srv/x"))

    assert key(one) == key(other)


def test_instructions_of_any_folder_above_are_alike() -> None:
    def body(folder: str, above: str, rule: str = "Speak kindly.") -> dict[str, Any]:
        told = f"{OPEN}\nContents of {above}/CLAUDE.md (project's):\n\n{rule}\n{CLOSE}"
        return turn(folder=folder, reminders=(told,))

    one = body("/tmp/a/proj", "/tmp/a/proj")

    assert one != (other := body("/srv/x/inner", "/srv/x"))
    assert key(one) == key(other)
    assert key(one) != key(body("/srv/x", "/srv/x", "Speak plainly."))
    assert key(one) != key(turn())


@pytest.mark.parametrize("preset", [Preset.AGENT, Preset.AGENT_COARSE])
@pytest.mark.parametrize(
    "unit",
    [
        "# gitStatus\nThis is the git status at the start of the conversation.\n",
        "gitStatus: This is the git status at the start of\nRecent commits:\n",
        "Recent commits:\nabcd x\n",
        "`/a/projects/b/memor",
        " - Primary working directory: /",
        "Contents of /a/",
        OPEN,
        CLOSE,
        OPEN + CLOSE,
        "/tmp/a/proj",
        "\n",
    ],
)
def test_a_long_text_made_to_be_slow_has_a_key(unit: str, preset: Preset) -> None:
    """Were the time more than linear, this would never end."""
    hostile = unit * (500_000 // len(unit))

    assert len(key(turn(hostile, reminders=(OPEN + hostile,)), preset)) == 64
