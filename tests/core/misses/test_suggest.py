from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from asking import RECORDED, SYSTEM, changed, post, with_item
from streamtape.core.matching.agent_context import CLOSE_REMINDER, OPEN_REMINDER
from streamtape.core.matching.key import DEFAULT_RULES, match_input_of, request_key
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.diff import find_changes
from streamtape.core.misses.nearest import confuses
from streamtape.core.misses.suggest import find_advice
from streamtape.core.model import Request

DATE = r"replace = [['\d{4}-\d\d-\d\d', '<date>']]"
CACHE = {"cache_control": {"type": "ephemeral"}}
CALLS: list[dict[str, Any]] = [
    {"role": "user", "content": "Read it"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"a": 1}}
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}],
    },
]


def advice(asked: Request, recorded: Request, rules: Rules = DEFAULT_RULES) -> str:
    """Return the advice after a look at whether it keeps what it promises."""
    match_input = match_input_of(asked, rules)
    toml = find_advice(
        asked,
        recorded,
        rules,
        list(find_changes(match_input_of(recorded, rules), match_input)),
        match_input=match_input,
        confuses=lambda _: False,
    )
    if toml is None:
        return ""
    settings: dict[str, Any] = tomllib.loads(toml)
    for name in ("ignore", "headers"):
        if name in settings:
            settings[name] = tuple(settings[name])
    if "replace" in settings:
        settings["replace"] = tuple(map(tuple, settings["replace"]))
    if "preset" in settings:
        settings["preset"] = Preset(settings["preset"])
    proposed = replace(rules, **settings)
    assert request_key(asked, proposed) == request_key(recorded, proposed)
    return toml


def says(content: object, **more: object) -> Request:
    return changed(messages=[{"role": "user", "content": content, **more}])


def text(value: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": value, **more}


def calls(name: str) -> Request:
    messages = copy.deepcopy(CALLS)
    messages[1]["content"][0]["id"] = name
    messages[2]["content"][0]["tool_use_id"] = name
    return changed(messages=messages)


def batched(content: str) -> Request:
    return post({"requests": [{"params": {"messages": [{"content": content}]}}]})


def used(command: str) -> dict[str, object]:
    given = {"command": command, "id": command}
    return {"type": "tool_use", "id": "t", "name": "n", "input": given}


def resulted(content: object) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": "t", "content": content}


QUESTIONS = [
    pytest.param(says, id="string"),
    pytest.param(lambda said: says([text(said)]), id="block"),
    pytest.param(lambda said: says([used(said)], role="assistant"), id="call"),
    pytest.param(lambda said: says([resulted(said)]), id="result"),
    pytest.param(lambda said: says([resulted([text(said)])]), id="result-in-blocks"),
    pytest.param(lambda said: says([{"type": "document", "context": said}]), id="file"),
    pytest.param(batched, id="batch"),
    pytest.param(
        lambda said: says(f"{OPEN_REMINDER}a{CLOSE_REMINDER} {said}"),
        id="behind-a-reminder",
    ),
    pytest.param(
        lambda said: says([resulted(f"{OPEN_REMINDER}{said}{CLOSE_REMINDER}")]),
        id="reminder-in-a-result",
    ),
    pytest.param(
        lambda said: Request(method="POST", target="/v1/x", body=said.encode()),
        id="plain",
    ),
]


def described(description: str) -> Request:
    return changed(tools=[{"name": "read", "description": description}])


@pytest.mark.parametrize(
    ("asked", "recorded", "toml"),
    [
        pytest.param(
            changed(temperature=0.5),
            post(RECORDED),
            'ignore = ["temperature"]',
            id="changed-field",
        ),
        pytest.param(
            changed(top_k=5, thinking={"type": "adaptive"}),
            changed(max_tokens=1),
            'ignore = ["max_tokens", "thinking", "top_k"]',
            id="several-fields",
        ),
        pytest.param(
            changed(system="Be good."),
            post(RECORDED),
            'ignore = ["system"]',
            id="system",
        ),
        pytest.param(
            with_item("tools", 1, {"name": "grep"}),
            post(RECORDED),
            'ignore = ["tools"]',
            id="tool-added",
        ),
        pytest.param(
            changed(tools=[{"name": "r", "description": "a"}, {"name": "b"}]),
            changed(tools=[{"name": "r", "description": "b"}]),
            'ignore = ["tools"]',
            id="tool-added-and-described-otherwise",
        ),
        pytest.param(
            changed(system=[text("a", **CACHE), text("b")]),
            changed(system=[text("a")]),
            'ignore = ["system"]',
            id="cache-control-in-what-has-to-be-ignored",
        ),
        pytest.param(
            changed(system=[text("On 2026-11-22"), text("Be good.")]),
            changed(system=[text("On 2026-11-23")]),
            'ignore = ["system"]',
            id="date-in-what-has-to-be-ignored",
        ),
        pytest.param(
            described("Reads a file."),
            described("Read any file."),
            'ignore = ["tools[*].description"]',
            id="tool-described-otherwise",
        ),
        pytest.param(
            says([text("a"), text("b", **CACHE)]),
            says([text("a", **CACHE), text("b")]),
            'ignore = ["messages[*].content[*].cache_control"]',
            id="cache-control",
        ),
        pytest.param(
            changed(
                system=[text("s", **CACHE)],
                tools=[{"name": "t", **CACHE}],
                messages=[{"role": "user", "content": [text("a", **CACHE)]}],
            ),
            changed(
                system=[text("s")],
                tools=[{"name": "t"}],
                messages=[{"role": "user", "content": [text("a")]}],
            ),
            'ignore = ["$..cache_control"]',
            id="cache-control-everywhere",
        ),
        pytest.param(
            changed(system=f"{SYSTEM} Today is 2026-11-22."),
            changed(system=f"{SYSTEM} Today is 2026-11-23."),
            r"replace = [['\d{4}-\d\d-\d\d', '<date>']]",
            id="date-in-the-system-text",
        ),
        pytest.param(
            changed(system="Work in /tmp/tmpab12 now"),
            changed(system="Work in /tmp/tmpcd34 now"),
            r"replace = [['(?:/tmp|/var/folders/\w+/\w+/T)/"
            r"(?:[\w.+-]++(?=/)|[\w+-]++(?!\.\w))', '<tmp>']]",
            id="temporary-folder",
        ),
        pytest.param(
            described("Today is 2026-11-22."),
            described("Today is 2026-11-23."),
            DATE,
            id="date-in-a-tool",
        ),
        pytest.param(
            says("On 2026-11-22", role="system"),
            says("On 2026-11-23", role="system"),
            DATE,
            id="date-in-a-system-message",
        ),
        pytest.param(
            says([text(f"{OPEN_REMINDER}On 2026-11-22{CLOSE_REMINDER}"), text("Hi")]),
            says([text(f"{OPEN_REMINDER}On 2026-11-23{CLOSE_REMINDER}"), text("Hi")]),
            DATE,
            id="date-in-a-reminder",
        ),
        pytest.param(
            says(f"Hi{OPEN_REMINDER}On 2026-11-22{CLOSE_REMINDER}"),
            says(f"Hi{OPEN_REMINDER}On 2026-11-23{CLOSE_REMINDER}"),
            DATE,
            id="date-in-a-reminder-between-words",
        ),
        pytest.param(
            calls("toolu_2"), calls("toolu_3"), "rename_ids = true", id="tool-ids"
        ),
        pytest.param(
            post(RECORDED, "/v1/messages?v=1"),
            post(RECORDED, "/v1/messages?v=2"),
            'ignore = ["?v"]',
            id="query",
        ),
        pytest.param(
            post(RECORDED, "/v1/messages?a%22b=1"),
            post(RECORDED),
            r'ignore = ["?a\"b"]',
            id="odd-query",
        ),
        pytest.param(
            changed(temperature=0, system="On 2026-11-22"),
            changed(system="On 2026-11-23"),
            'ignore = ["temperature"]\n'
            r"replace = [['\d{4}-\d\d-\d\d', '<date>']]",
            id="two-settings",
        ),
    ],
)
def test_the_least_rule_that_makes_it_hit_is_proposed(
    asked: Request, recorded: Request, toml: str
) -> None:
    assert advice(asked, recorded) == toml


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        pytest.param(changed(model="claude-y"), post(RECORDED), id="model"),
        pytest.param(
            changed(model="claude-demo-2026-01-02"),
            changed(model="claude-demo-2026-02-03"),
            id="model-with-a-date",
        ),
        pytest.param(changed(stream=False), post(RECORDED), id="stream"),
        pytest.param(says("Hello"), says("Bye"), id="text"),
        pytest.param(says([text("Hello")]), says([text("Bye")]), id="text-block"),
        pytest.param(says("a", role="x"), says("a"), id="role"),
        pytest.param(says([text("a")]), says([text("a", type="b")]), id="type"),
        pytest.param(says([text("a")]), says([text("a"), text("b")]), id="block"),
        pytest.param(changed(messages=CALLS), says("Read it"), id="extra-turns"),
        pytest.param(
            says([{"type": "tool_use", "name": "r", "input": {"cache_control": 1}}]),
            says([{"type": "tool_use", "name": "r", "input": {"cache_control": 2}}]),
            id="input-named-as-a-mark-for-the-cache",
        ),
        pytest.param(
            says([{"type": "image", "source": {"file_id": "file_0123456789abcdef"}}]),
            says([{"type": "image", "source": {"file_id": "file_0123456789abcdee"}}]),
            id="another-file",
        ),
        pytest.param(
            Request(method="GET", target="/v1/models?after_id=a"),
            Request(method="GET", target="/v1/models?after_id=b"),
            id="another-page",
        ),
        pytest.param(post(RECORDED, "/v1/x"), post(RECORDED), id="path"),
        pytest.param(post(RECORDED, method="PUT"), post(RECORDED), id="method"),
        pytest.param(
            Request(method="POST", target="/v1/messages", body=b"a"),
            Request(method="POST", target="/v1/messages", body=b'"a"'),
            id="kind-of-body",
        ),
        pytest.param(
            changed(temperature=0, model="claude-y"), post(RECORDED), id="one-too-many"
        ),
    ],
)
def test_nothing_is_proposed_that_gives_the_answer_to_another_question(
    asked: Request, recorded: Request
) -> None:
    assert advice(asked, recorded) == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("2026-11-22", "2026-11-23", id="date"),
        pytest.param("12:30", "23:05", id="time"),
        pytest.param("1000000007", "1000000008", id="number"),
        pytest.param("deadbeef0000", "48656c6c6f21", id="hex"),
        pytest.param("/etc/nginx/README", "/srv/bank/README", id="path"),
        pytest.param("/tmp/tmpab12", "/tmp/tmpcd34", id="temporary-folder"),
        pytest.param(f"req_{'A1' * 9}", f"req_{'B2' * 9}", id="id"),
    ],
)
@pytest.mark.parametrize("where", QUESTIONS)
def test_what_a_question_is_about_is_not_replaced(
    where: Callable[[str], Request], one: str, other: str
) -> None:
    assert advice(where(f"It is {one}, no?"), where(f"It is {other}, no?")) == ""


def test_nothing_is_proposed_that_takes_recorded_requests_for_one() -> None:
    french, german, asked = (
        changed(system=f"Translate to {language}.")
        for language in ("French", "German", "Danish")
    )
    match_input = match_input_of(asked)
    changes = list(find_changes(match_input_of(french), match_input))

    def find(*others: Request) -> str | None:
        return find_advice(
            asked,
            french,
            DEFAULT_RULES,
            changes,
            match_input=match_input,
            confuses=lambda proposed: confuses(others, DEFAULT_RULES, proposed),
        )

    assert find(french, french, changed(messages=CALLS)) == 'ignore = ["system"]'
    assert find(french, german) is None


def test_calls_that_belong_otherwise_are_not_renamed() -> None:
    crossed = copy.deepcopy(CALLS)
    crossed[1]["content"][0]["id"] = "toolu_2"

    assert advice(changed(messages=crossed), changed(messages=CALLS)) == ""


def test_what_would_fill_a_page_is_not_proposed() -> None:
    rules = Rules(ignore=("y" * 800,))

    assert advice(changed(temperature=0), post(RECORDED), rules) == ""


def test_a_setting_that_holds_already_is_not_said_again() -> None:
    rules = Rules(rename_ids=True, ignore=("top_k",), replace=(("a", "b"),))
    toml = advice(
        changed(system="On 2026-11-22"), changed(system="On 2026-11-23"), rules
    )

    assert toml == r"replace = [['a', 'b'], ['\d{4}-\d\d-\d\d', '<date>']]"


def test_what_is_in_force_is_kept() -> None:
    rules = Rules(
        ignore=("top_k",),
        replace=(("a\\d", "b"),),
        headers=("accept", "Anthropic-Beta"),
    )
    asked, recorded = (
        replace(
            changed(temperature=n, top_k=n, system=f"On 2026-11-2{n}"),
            headers=(("anthropic-beta", str(n)), ("accept", "*/*")),
        )
        for n in (1, 2)
    )

    assert advice(asked, recorded, rules) == (
        'headers = ["accept"]\n'
        'ignore = ["top_k", "temperature"]\n'
        r"replace = [['a\d', 'b'], ['\d{4}-\d\d-\d\d', '<date>']]"
    )


def agent(body: dict[str, Any]) -> Request:
    return replace(post(body), headers=(("user-agent", "claude-cli/2.1.330"),))


@pytest.mark.parametrize(
    ("asked", "toml"),
    [
        pytest.param(
            {**RECORDED, "system": "New", "tools": []},
            'preset = "agent-coarse"',
            id="new-version",
        ),
        pytest.param(
            {**RECORDED, "temperature": 0}, 'ignore = ["temperature"]', id="field"
        ),
        pytest.param(
            {**RECORDED, "system": "New", "messages": CALLS}, "", id="said-otherwise"
        ),
    ],
)
def test_a_new_version_of_an_agent_needs_the_coarse_preset(
    asked: dict[str, Any], toml: str
) -> None:
    assert advice(agent(asked), agent(RECORDED)) == toml
    assert advice(post(asked), post(RECORDED)) != 'preset = "agent-coarse"'
    assert advice(post(asked), post(RECORDED), Rules(preset=Preset.AGENT)) == toml
