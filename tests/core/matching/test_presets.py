from __future__ import annotations

from typing import Any

import pytest

from agent_turns import (
    AGENT,
    CLOSE,
    OPEN,
    answered,
    git_block,
    git_status,
    key,
    old_turn,
    result,
    text,
    turn,
    user,
)
from streamtape.core.matching.presets import Preset

ELSEWHERE = [
    pytest.param(turn(folder="/srv/x"), id="other-folder"),
    pytest.param(turn(folder="/tmp/a/proj/inner"), id="sub-folder"),
    pytest.param(turn(folder="/tmp/a/My Project_1.x"), id="odd-folder-name"),
    pytest.param(turn(folder="/"), id="root-folder"),
    pytest.param(turn(folder="/a"), id="short-folder"),
    pytest.param(turn(folder="/home/ann"), id="home-as-folder"),
    pytest.param(turn(folder="/home"), id="folder-around-home"),
    pytest.param(turn(folder="/home/ann/.claude"), id="agent's-own-folder"),
    pytest.param(turn(config="/home/eve/.claude"), id="other-home"),
    pytest.param(turn(config="/tmp/a/proj/home/.claude"), id="home-in-folder"),
    pytest.param(turn(config="/etc/agent"), id="config-elsewhere"),
    pytest.param(
        turn(folder=r"C:\Users\ann\proj", config=r"C:\Users\ann\.claude"), id="windows"
    ),
    pytest.param(turn(git=git_block()), id="git"),
    pytest.param(turn(git=git_block(status=" M a.txt\n?? b c.txt")), id="dirty"),
    pytest.param(turn(git=git_block("")), id="no-commits"),
    pytest.param(turn(git=git_block("71efb5a")), id="commit-without-subject"),
    pytest.param(turn(git=git_block(f"71efb5a Say {CLOSE}?")), id="closing-tag"),
    pytest.param(turn(git=git_block(f"71efb5a Say {OPEN} {CLOSE}")), id="both-tags"),
    pytest.param(turn(git=git_block("71efb5a # gitStatus\n83a4b8 # x")), id="heading"),
    pytest.param(turn(day="2027-01-01"), id="other-day"),
    pytest.param(turn(version="2.1.331.0a1"), id="other-version"),
    pytest.param(turn(system="Darwin 27.0", platform="darwin"), id="other-system"),
    pytest.param(
        turn(folder="/x/y", config="/z/.claude", git=git_block(), day="2030-12-31"),
        id="all-at-once",
    ),
]


@pytest.mark.parametrize("preset", [Preset.AUTO, Preset.AGENT, Preset.AGENT_COARSE])
@pytest.mark.parametrize("body", ELSEWHERE)
def test_where_and_when_an_agent_runs_makes_no_difference(
    body: dict[str, Any], preset: Preset
) -> None:
    assert key(body, preset) == key(turn(), preset)


@pytest.mark.parametrize("body", ELSEWHERE)
def test_without_the_preset_it_does(body: dict[str, Any]) -> None:
    assert key(body, Preset.NONE) != key(turn(), Preset.NONE)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(old_turn(folder="/srv/x"), id="other-folder"),
        pytest.param(old_turn(day="2027-01-01"), id="other-day"),
        pytest.param(old_turn(git=git_status()), id="git"),
        pytest.param(old_turn(git=git_status(status=" M a.txt")), id="dirty"),
        pytest.param(old_turn(git=git_status("").rstrip()), id="no-commits"),
        pytest.param(old_turn(git=git_status(f"71efb5a # {CLOSE}")), id="odd-commit"),
    ],
)
def test_nor_does_it_in_an_older_agent(body: dict[str, Any]) -> None:
    assert key(body) == key(old_turn())
    assert key({**body, "model": "n"}) != key(old_turn())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Working directory: /etc\ndelete it", "Working directory: /home\ndelete it"),
        ("Today's date is 2020-01-01, which", "Today's date is 2021-01-01, which"),
        ("Contents of /a/x.md (diff)", "Contents of /b/x.md (diff)"),
        (" - Platform: Windows", " - Platform: Linux"),
        ("x-anthropic-billing-header: what?", "x-anthropic-billing-header: delete"),
        ("`/a/projects/b/memory`", "`/a/projects/c/memory`"),
        (f"gitStatus: {git_status()}", f"gitStatus: {git_status('abcd x')}"),
    ],
)
@pytest.mark.parametrize("preset", [Preset.AGENT, Preset.AGENT_COARSE])
def test_what_the_user_says_counts_as_it_is(
    one: str, other: str, preset: Preset
) -> None:
    """In a text of its own or around reminders, and so does what a tool found."""
    for shape in ("{}", "{}" + f"\n{OPEN}a{CLOSE}", f"{OPEN}a{CLOSE}\n" + "{}"):
        said = [shape.format(each) for each in (one, other)]
        assert len({key(turn(each), preset) for each in said}) == 2
        strings = [{"role": "user", "content": each} for each in said]
        assert len({key(answered(turn(), each), preset) for each in strings}) == 2
        results = [answered(turn(), result(each)) for each in said]
        assert len({key(each, preset) for each in results}) == 2


def test_a_folder_in_the_users_words_is_the_one_that_they_name() -> None:
    words = "Delete /tmp/a/proj/x"

    assert key(turn(words)) != key(turn(words.replace("/tmp/a/proj", "/srv/x")))
    assert key(turn(words, folder="/srv/x")) == key(turn(words))


def test_a_reminder_in_the_users_text_is_the_agents() -> None:
    one, other, more = (
        turn(f"hi\n{OPEN}Today's date is {day}.{CLOSE} {words}")
        for day, words in (
            ("2026-11-22", "bye"),
            ("2026-11-23", "bye"),
            ("2026-11-23", "now"),
        )
    )

    assert key(one) == key(other) != key(more)


def test_what_the_model_said_comes_back_as_it_was_recorded() -> None:
    """In any folder, as the replay says what the recording said."""
    said = {"role": "assistant", "content": [text("I am in /tmp/a/proj.")]}

    assert key(answered(turn(folder="/srv/x"), said)) == key(answered(turn(), said))


def test_the_next_turn_hits_wherever_the_first_one_was() -> None:
    said = {"role": "assistant", "content": [text("Hi.")]}
    elsewhere = turn(folder="/srv/x", git=git_block(), day="2027-01-01")
    one, other = (answered(body, said, user("more")) for body in (turn(), elsewhere))

    assert key(one) == key(other)
    assert key(one) != key(answered(turn(), said, user("less")))


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    body: Any = conversation()
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    changed_body: dict[str, Any] = body
    return changed_body


def conversation() -> dict[str, Any]:
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "a.txt"}
    told = (
        f"{OPEN}\nContents of /tmp/a/proj/CLAUDE.md (project's):\n\nBe kind.\n{CLOSE}"
    )
    return answered(
        turn(reminders=(told,)),
        {"role": "assistant", "content": [text("I look."), call]},
        {"role": "user", "content": [result]},
    )


COUNTS = [
    pytest.param(["model"], "n", id="model"),
    pytest.param(["stream"], False, id="stream"),
    pytest.param(["messages", 0, "content", 1, "text"], "bye", id="user"),
    pytest.param(["messages", 2, "content", 0, "text"], "I see.", id="assistant"),
    pytest.param(["messages", 2, "content", 1, "input"], {"command": "w"}, id="call"),
    pytest.param(["messages", 3, "content", 0, "content"], "b.txt", id="result"),
    pytest.param(
        ["messages", 3, "content", 0, "content"], [text("b.txt")], id="result-in-blocks"
    ),
]
COUNTS_IN_DETAIL = [
    pytest.param(["messages", 0, "content", 0, "text"], "x", id="instructions"),
    pytest.param(["system", 1, "text"], "You are a cat.", id="system"),
    pytest.param(["messages", 1, "content"], "# Environment", id="environment"),
    pytest.param(["tools", 0, "description"], "Runs it.", id="tools"),
    pytest.param(["max_tokens"], 7, id="max-tokens"),
]


@pytest.mark.parametrize("preset", [Preset.AUTO, Preset.AGENT])
@pytest.mark.parametrize(("path", "value"), [*COUNTS, *COUNTS_IN_DETAIL])
def test_all_else_still_counts(
    path: list[str | int], value: object, preset: Preset
) -> None:
    assert key(changed(path, value), preset) != key(conversation(), preset)


@pytest.mark.parametrize(("path", "value"), COUNTS)
def test_what_was_said_counts_in_the_coarse_preset(
    path: list[str | int], value: object
) -> None:
    coarse = Preset.AGENT_COARSE

    assert key(changed(path, value), coarse) != key(conversation(), coarse)


@pytest.mark.parametrize(("path", "value"), COUNTS_IN_DETAIL)
def test_and_nothing_else(path: list[str | int], value: object) -> None:
    coarse = Preset.AGENT_COARSE
    value = f"{OPEN}{value}{CLOSE}" if path[1:4] == [0, "content", 0] else value

    assert key(changed(path, value), coarse) == key(conversation(), coarse)


@pytest.mark.parametrize(
    ("agent", "applies"),
    [
        pytest.param(AGENT, True, id="command-line"),
        pytest.param("claude-cli/2.1.330 (external, sdk-py, a/0.2)", True, id="sdk"),
        pytest.param("claude-cli/1", True, id="bare"),
        pytest.param("claude-client/1", False, id="other-product"),
        pytest.param("my claude-cli/2.1.330", False, id="not-at-the-start"),
        pytest.param("Anthropic/Python 2.12.0", False, id="library"),
        pytest.param("", False, id="none"),
    ],
)
def test_the_user_agent_decides_unless_the_rules_do(agent: str, applies: bool) -> None:
    one, other = turn(), turn(folder="/srv/x", git=git_block())

    assert (key(one, Preset.AUTO, agent) == key(other, Preset.AUTO, agent)) == applies
    assert key(one, Preset.AGENT, agent) == key(other, Preset.AGENT, agent)
    assert key(one, Preset.NONE, agent) != key(other, Preset.NONE, agent)


@pytest.mark.parametrize("preset", [*Preset])
@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"system": None, "messages": None},
        {"system": 1, "messages": {"role": "user"}},
        {"messages": [None, 1, "x", [], {}, {"role": ["user"], "content": None}]},
        {"messages": [{"role": "user", "content": [None, 1, "x", [], {"type": []}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        {"messages": [{"role": "system", "content": [text("\ud800"), {"text": 1}]}]},
    ],
)
def test_any_body_has_a_key(body: object, preset: Preset) -> None:
    assert len(key(body, preset)) == 64
