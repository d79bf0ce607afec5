"""The messages of a miss, whole, as a person reads them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asking import RECORDED, SYSTEM, changed, post, with_item
from missing import CassetteInfo, explain
from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.report import explain_exhausted
from streamtape.core.model import Request
from streamtape.core.redaction.secrets import Secrets

THREE_MESSAGES = RECORDED["messages"]
NEAREST = "The nearest is hello-0a1b2c3d; recorded / requested:"
MISSED = "no cassette in cassettes matches."
NOTHING_TO_DO = (
    "Send what was recorded, or record this too: "
    "streamtape record --mode new_episodes --cassettes cassettes"
)
RULE = "This rule in [tool.streamtape] of pyproject.toml would make it hit:"
OR_RECORD = (
    "Or record this too: streamtape record --mode new_episodes --cassettes cassettes"
)


def dated(day: str) -> Request:
    return changed(system=f"{SYSTEM} Today is {day}.")


@pytest.mark.parametrize(
    ("asked", "recorded", "lines"),
    [
        pytest.param(
            changed(system=SYSTEM.replace("short", "long")),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- system differs at character 43: "
                "'… Answer in one short sentence, and say s…' / "
                "'… Answer in one long sentence, and say so…'",
                f'{RULE} ignore = ["system"]',
                OR_RECORD,
            ],
            id="a-word-of-the-system-prompt",
        ),
        pytest.param(
            with_item("tools", 1, {"name": "grep", "input_schema": {}}),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- tools[1] added: name 'grep'",
                f'{RULE} ignore = ["tools"]',
                OR_RECORD,
            ],
            id="a-tool-added",
        ),
        pytest.param(
            changed(model="claude-y"),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-y, 3 messages: {MISSED}",
                NEAREST,
                "- model: 'claude-x' / 'claude-y'",
                NOTHING_TO_DO,
            ],
            id="another-model",
        ),
        pytest.param(
            dated("2026-11-23"),
            dated("2026-11-22"),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- system differs at character 89: "
                "'…ay is 2026-11-22.' / '…ay is 2026-11-23.'",
                rf"{RULE} replace = [['\d{{4}}-\d\d-\d\d', '<date>']]",
                OR_RECORD,
            ],
            id="a-date",
        ),
        pytest.param(
            changed(messages=[THREE_MESSAGES[i] for i in (1, 0, 2)]),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- messages in another order from item 0: "
                "role 'user', content 'Hello' / "
                "role 'assistant', content [type 'text', text 'Hi.']",
                NOTHING_TO_DO,
            ],
            id="messages-reordered",
        ),
        pytest.param(
            with_item("messages", 3, {"role": "user", "content": "More"}),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 4 messages: {MISSED}",
                NEAREST,
                "- messages[3] added: role 'user', content 'More'",
                NOTHING_TO_DO,
            ],
            id="an-extra-turn",
        ),
        pytest.param(
            changed(stream=False),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- stream: true / false",
                NOTHING_TO_DO,
            ],
            id="stream-flipped",
        ),
        pytest.param(
            changed(temperature=0.5),
            post(RECORDED),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- temperature: 1 / 0.5",
                f'{RULE} ignore = ["temperature"]',
                OR_RECORD,
            ],
            id="a-changed-temperature",
        ),
        pytest.param(
            post(RECORDED, "/v1/v1/messages?beta=true"),
            post(RECORDED),
            [
                f"POST /v1/v1/messages?beta=true, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- path: '/v1/messages' / '/v1/v1/messages'",
                NOTHING_TO_DO,
            ],
            id="another-path",
        ),
        pytest.param(
            changed(top_k=5, top_p=0.5, temperature=0, system="On 2026-11-23"),
            changed(system="On 2026-11-22"),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- temperature: 1 / 0",
                "- system: 'On 2026-11-22' / 'On 2026-11-23'",
                "- top_k added: 5",
                "- and more",
                RULE,
                'ignore = ["temperature", "top_k", "top_p"]',
                r"replace = [['\d{4}-\d\d-\d\d', '<date>']]",
                OR_RECORD,
            ],
            id="many",
        ),
        pytest.param(
            replace(post(RECORDED), headers=(("content-type", "text/plain"),)),
            replace(post("Hi"), headers=(("content-type", "text/plain"),)),
            [
                f"POST /v1/messages, model claude-x, 3 messages: {MISSED}",
                NEAREST,
                "- body was sent as: plain bytes / JSON",
                """- body: '"Hi"' / {7 keys}""",
                NOTHING_TO_DO,
            ],
            id="sent-otherwise",
        ),
    ],
)
def test_a_miss_tells_what_was_asked_the_nearest_and_what_to_do(
    asked: Request, recorded: Request, lines: list[str]
) -> None:
    report = explain(asked, [CassetteInfo("hello-0a1b2c3d", recorded)])

    assert str(report).split("\n") == lines


@pytest.mark.parametrize(
    ("takes", "used"),
    [
        pytest.param(1, "the only recorded take of a-0a1b2c3d was used", id="one"),
        pytest.param(2, "all 2 recorded takes of a-0a1b2c3d were used", id="two"),
    ],
)
def test_exhausted_takes_are_told_with_the_options_that_help(
    takes: int, used: str
) -> None:
    asked = post({"model": "claude-x", "messages": THREE_MESSAGES[:1]})
    report = explain_exhausted(
        asked,
        match_input_of(asked),
        name="a-0a1b2c3d",
        takes=takes,
        library="cassettes",
        secrets=Secrets(),
    )

    assert str(report) == (
        f"POST /v1/messages, model claude-x, 1 message: {used}.\n"
        "Replay with --exhausted last to repeat the last one, or --exhausted cycle "
        "to begin again, or record as many as are asked for."
    )
    assert report.as_json()["exhausted_takes"] == takes


def test_an_empty_library_is_told_with_the_command_that_fills_it() -> None:
    asked = Request(method="GET", target="/v1/models?limit=3")

    assert str(explain(asked, [], library="my tapes")) == (
        "GET /v1/models?limit=3: no cassette in my tapes matches, as it is empty.\n"
        "Record first: streamtape record --cassettes 'my tapes'"
    )


def test_a_library_that_cannot_be_read_is_told() -> None:
    report = explain(post(RECORDED), [CassetteInfo("a", None), CassetteInfo("b", None)])

    assert str(report).split("\n")[1] == (
        "None of the 2 in it could be read and compared."
    )


def test_no_key_is_told_even_if_a_request_was_not_redacted() -> None:
    key = f"sk-ant-{'a1' * 20}"
    asked = replace(changed(temperature=key), target=f"/v1/messages?x={key}")
    report = explain(asked, [CassetteInfo("a", post(RECORDED))])

    assert [each.path for each in report.differences] == ["?x", "temperature"]
    for told in (str(report), json.dumps(report.as_json()["differences"])):
        assert "sk-ant-a1" not in told
        assert "[redacted]" in told


def test_a_report_is_json_with_all_of_its_facts() -> None:
    report = explain(changed(temperature=0), [CassetteInfo("a", post(RECORDED))])

    assert json.loads(json.dumps(report.as_json())) == {
        "request": "POST /v1/messages",
        "model": "claude-x",
        "messages": 3,
        "library": "cassettes",
        "nearest": "a",
        "differences": [
            {"path": "temperature", "recorded": "1", "requested": "0", "note": ""}
        ],
        "has_more": False,
        "rule": 'ignore = ["temperature"]',
        "exhausted_takes": None,
        "compared": 1,
        "known": 1,
    }


@pytest.mark.parametrize(
    "char", ["x", "\0", "\u202e", "\ud800", "😀", "'", "\\"], ids=ascii
)
def test_a_message_is_printable_and_below_4_kib_whatever_was_sent(char: str) -> None:
    long = char * 9000

    def ask(leaf: str) -> Request:
        deep: object = leaf
        for _ in range(20):
            deep = {long: deep}
        nested: object = [leaf]
        for _ in range(90):
            nested = [{"content": nested}]
        body = {
            "model": long,
            "messages": [{"role": leaf, "content": nested}],
            **dict.fromkeys("abcd", deep),
        }
        return post(body, target=f"/v1/{long}?{long}={leaf}", method=long)

    rules = Rules(ignore=(f"?{'y' * 600}",))
    asked = ask(long)
    match_input = match_input_of(asked, rules)
    for report in (
        explain(asked, [], library=long),
        explain(asked, [CassetteInfo(long, ask(long[1:]))], library=long, rules=rules),
        explain(asked, [CassetteInfo(long, post([], "/v1"))], library=long),
        replace(
            explain(asked, [CassetteInfo(long, post([], "/v1"))]), where=long, rule="a"
        ),
        explain_exhausted(
            asked, match_input, name=long, takes=2, library=long, secrets=Secrets()
        ),
    ):
        assert len(str(report).encode()) < 4096
        assert all(line.isprintable() for line in str(report).split("\n"))
        assert str(report).count("\n") < 12
