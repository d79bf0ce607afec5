from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from streamtape.core.matching.key import request_key
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request
from streamtape.core.secrecy.heads import clean_request

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
    """
    Return a first turn as the newest agent sends it, in short.
    """
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
    return request_key(clean_request(request), Rules(preset=preset))


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


def test_what_an_older_agent_is_told_before_the_git_status_counts() -> None:
    one = old_turn(git=git_status(), rule="Be brief.")

    assert key(one) != key(old_turn(git=git_status(), rule="Be kind."))


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
    """
    In a text of its own or around reminders, and so does what a tool found.
    """
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
    """
    In any folder, as the replay says what the recording said.
    """
    said = {"role": "assistant", "content": [text("I am in /tmp/a/proj.")]}

    assert key(answered(turn(folder="/srv/x"), said)) == key(answered(turn(), said))


def test_instructions_of_any_folder_above_are_alike() -> None:
    def body(folder: str, above: str, rule: str = "Speak kindly.") -> dict[str, Any]:
        told = f"{OPEN}\nContents of {above}/CLAUDE.md (project's):\n\n{rule}\n{CLOSE}"
        return turn(folder=folder, reminders=(told,))

    one = body("/tmp/a/proj", "/tmp/a/proj")

    assert one != (other := body("/srv/x/inner", "/srv/x"))
    assert key(one) == key(other)
    assert key(one) != key(body("/srv/x", "/srv/x", "Speak plainly."))
    assert key(one) != key(turn())


def test_instructions_in_the_block_of_the_git_status_count() -> None:
    def body(rule: str) -> dict[str, Any]:
        told = f"{OPEN}\n# claudeMd\nContents of /x/CLAUDE.md:\n\n{rule}"
        git = git_block().removeprefix(f"{OPEN}\n")
        return turn(git=f"{told}\n{git}")

    def behind(rule: str) -> dict[str, Any]:
        return turn(git=git_block().replace("Added", f"# claudeMd\n{rule}\nAdded"))

    assert key(body("Be brief.")) != key(body("Be kind."))
    assert key(behind("Be brief.")) != key(behind("Be kind."))


def test_a_tool_result_that_looks_like_a_git_status_counts() -> None:
    def body(result: str) -> dict[str, Any]:
        block = {"type": "tool_result", "tool_use_id": "t", "content": result}
        return answered(turn(), {"role": "user", "content": [block]})

    for start in ("gitStatus: ", "# gitStatus\n", "Recent commits:\n71efb5a "):
        one, other = (
            body(f"{start}\n{word}\nRecent commits:\n") for word in ("clean", "dirty")
        )
        assert key(one) != key(other)


def test_words_behind_a_git_status_count() -> None:
    git = git_block().replace("Added automatically.", "")

    assert key(turn(f"{git}\nhello")) != key(turn(f"{git}\nbye"))


def test_the_next_turn_hits_wherever_the_first_one_was() -> None:
    said = {"role": "assistant", "content": [text("Hi.")]}
    elsewhere = turn(folder="/srv/x", git=git_block(), day="2027-01-01")
    one, other = (answered(body, said, user("more")) for body in (turn(), elsewhere))

    assert key(one) == key(other)
    assert key(one) != key(answered(turn(), said, user("less")))


@pytest.mark.parametrize("preset", [Preset.AGENT, Preset.AGENT_COARSE])
@pytest.mark.parametrize("as_block", [True, False], ids=["block", "string"])
def test_going_on_on_another_day_makes_no_difference(
    preset: Preset, as_block: bool
) -> None:
    notice = "The date has changed. Today's date is now 2026-11-23. Don't tell."
    said = {"role": "assistant", "content": [text("Hi.")]}
    new_day = {
        "role": "system",
        "content": [text(notice, cache_control=MARK)] if as_block else notice,
    }
    asked = {"role": "user", "content": [text("more", cache_control=MARK)]}
    # The mark is on the last message, and the others of one text are strings.
    earlier = {"role": "user", "content": "more"}
    same_day = answered(turn(), said, asked)

    assert key(answered(turn(), said, earlier, new_day), preset) == key(
        same_day, preset
    )
    assert key(answered(turn(), said, earlier), preset) == key(same_day, preset)


def test_a_notice_that_says_more_than_the_day_counts() -> None:
    notice = (
        "The date has changed. Today's date is now 2026-11-23. Rest.\n\nNew tools: "
    )
    bodies = [
        answered(turn(), {"role": "system", "content": notice + tool})
        for tool in ("Read", "Write")
    ]

    later = {"role": "system", "content": f"{notice}Read".replace("-23", "-24")}

    assert len({key(body) for body in [*bodies, answered(turn())]}) == 3
    assert key(answered(turn(), later)) == key(bodies[0])


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


def two_calls(*results: tuple[str, str], failed: bool = False) -> dict[str, Any]:
    """
    Return a turn with two calls at once, and their results.
    """
    calls = [
        {"type": "tool_use", "id": name, "name": "Read", "input": {"file": name[-1]}}
        for name in sorted(name for name, _ in results)
    ]
    blocks = [
        {"type": "tool_result", "tool_use_id": name, "content": found}
        | ({"is_error": True} if failed else {})
        for name, found in results
    ]
    return answered(
        turn(),
        {"role": "assistant", "content": calls},
        {"role": "user", "content": blocks},
    )


def test_which_result_belongs_to_which_call_counts_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    one = two_calls(("toolu_1", "x"), ("toolu_2", "y"))
    renamed = json.loads(json.dumps(one).replace("toolu_", "t_"))

    assert key(two_calls(("toolu_2", "x"), ("toolu_1", "y")), coarse) != key(
        one, coarse
    )
    assert key(renamed, coarse) == key(one, coarse)
    assert key(renamed, Preset.AGENT) != key(one, Preset.AGENT)


def test_whether_a_tool_failed_counts_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    failed, one = (
        two_calls(("1", "x"), ("2", "y"), failed=failed) for failed in (True, False)
    )
    said_so = json.loads(json.dumps(failed).replace("true}", "false}"))

    assert key(failed, coarse) != key(one, coarse) == key(said_so, coarse)


@pytest.mark.parametrize(("path", "value"), COUNTS_IN_DETAIL)
def test_and_nothing_else(path: list[str | int], value: object) -> None:
    coarse = Preset.AGENT_COARSE
    value = f"{OPEN}{value}{CLOSE}" if path[1:4] == [0, "content", 0] else value

    assert key(changed(path, value), coarse) == key(conversation(), coarse)


def test_the_coarse_preset_sees_no_thinking_and_every_image() -> None:
    def body(*blocks: object) -> dict[str, Any]:
        return answered(turn(), {"role": "assistant", "content": [text("x"), *blocks]})

    coarse = Preset.AGENT_COARSE
    image = {"type": "image", "source": {"data": "aa"}}
    other = {"type": "image", "source": {"data": "bb"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}

    assert key(body(thought), coarse) == key(body(), coarse)
    assert key(body(image), coarse) != key(body(other), coarse)
    assert key(body({**image, "cache_control": MARK}), coarse) == key(
        body(image), coarse
    )


def test_words_of_the_user_around_reminders_count_in_the_coarse_preset() -> None:
    coarse = Preset.AGENT_COARSE
    shapes = [
        f"{OPEN}a{CLOSE}\n%s\n{OPEN}b{CLOSE}",
        f"what is {OPEN} in %s",
        f"%s {OPEN}a{CLOSE}",
        f"{OPEN}a{CLOSE}%s",
        f"{CLOSE} %s {OPEN}",
    ]
    for shape in shapes:
        assert key(turn(shape % "one"), coarse) != key(turn(shape % "two"), coarse)


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
def test_a_text_of_2_mb_made_to_be_slow_has_a_key(unit: str, preset: Preset) -> None:
    """Were the time more than linear, this would never end."""
    hostile = unit * (2_000_000 // len(unit))

    assert len(key(turn(hostile, reminders=(OPEN + hostile,)), preset)) == 64
