from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamtape.core.matching.key import match_input_of
from streamtape.core.matching.names import cassette_stem, slug, user_slugs
from streamtape.core.matching.presets import Preset
from streamtape.core.matching.rules import Rules
from streamtape.core.model import Request

if TYPE_CHECKING:
    from streamtape.core.matching.key import MatchInput

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def get(target: str) -> MatchInput:
    return match_input_of(Request(method="GET", target=target))


def ask(*messages: Json, rules: Rules | None = None) -> MatchInput:
    body = json.dumps({"messages": [*messages]}).encode()
    request = Request(method="POST", target="/v1/messages", body=body)
    return match_input_of(request, rules or Rules())


def user(content: Json) -> Json:
    return {"role": "user", "content": content}


def text(value: str) -> Json:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("match_input", "expected"),
    [
        pytest.param(ask(user("What is 2 + 2?")), "what-is-2-2", id="string"),
        pytest.param(
            ask(user("First"), {"role": "assistant", "content": "x"}, user("Second")),
            "second",
            id="last-of-the-user",
        ),
        pytest.param(
            ask(user([text("one"), text("two")])), "two", id="last-text-block"
        ),
        pytest.param(
            ask(
                user("Weather in Oslo"),
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]},
                user([{"type": "tool_result", "content": "rain"}]),
            ),
            "weather-in-oslo",
            id="tool-result-skipped",
        ),
        pytest.param(
            ask(user([text("do it"), text(" <system-reminder>no</system-reminder>")])),
            "do-it",
            id="reminder-skipped",
        ),
        pytest.param(
            ask(user("do it"), {"role": "system", "content": "Be kind."}),
            "do-it",
            id="system-message-skipped",
        ),
        pytest.param(ask(user("\n " * 500 + "late")), "late", id="leading-space"),
        pytest.param(ask(user("Où est l'été?")), "ou-est-lete", id="accents"),
        pytest.param(ask(user("What\u2019s up")), "whats-up", id="apostrophe"),
        pytest.param(ask(user("../../etc/passwd\0")), "etc-passwd", id="path-in-text"),
        pytest.param(ask(user("a\ud800b")), "a-b", id="half-a-surrogate-pair"),
        pytest.param(ask(user("CON")), "con-request", id="device"),
        pytest.param(ask(user("lpt1")), "lpt1-request", id="numbered-device"),
        pytest.param(ask(user("console")), "console", id="no-device"),
        pytest.param(
            ask(user("a234567890 b234567890 c234567890 d234567 more")),
            "a234567890-b234567890-c234567890-d234567",
            id="40-characters",
        ),
        pytest.param(
            ask(user("a234567890 b234567890 c234567890 d2345678 more")),
            "a234567890-b234567890-c234567890",
            id="cut-at-a-word",
        ),
        pytest.param(ask(user("x" * 99)), "x" * 40, id="one-long-word"),
        pytest.param(ask(user("你好")), "messages", id="no-ascii"),
        pytest.param(ask(), "messages", id="no-messages"),
        pytest.param(ask("text", 7, user(None)), "messages", id="odd-messages"),
        pytest.param(ask(user([text("a"), {"type": "text"}, 1])), "a", id="odd-blocks"),
        pytest.param(
            get("/v1/messages/count_tokens"), "count-tokens", id="count-tokens"
        ),
        pytest.param(get("/v1/models?limit=3"), "models", id="models"),
        pytest.param(get("/v1/messages/batches/"), "batches", id="batches"),
        pytest.param(get("/v1/models/claude-demo-7"), "models", id="model-id"),
        pytest.param(
            get("/v1/messages/batches/msgbatch_01x/results"),
            "results",
            id="below-an-id",
        ),
        pytest.param(get("/"), "request", id="root"),
        pytest.param(get("/v1/..."), "request", id="no-words-in-path"),
    ],
)
def test_the_slug_tells_which_request_it_is(
    match_input: MatchInput, expected: str
) -> None:
    assert slug(match_input) == expected


def test_what_a_project_replaces_or_ignores_is_in_no_name() -> None:
    message = user("Order 66 of Ann")
    replaced = Rules(replace=(("[0-9]+", "n"), ("Ann", "someone")))

    assert slug(ask(message, rules=replaced)) == "order-n-of-someone"
    assert slug(ask(message, rules=Rules(ignore=("messages",)))) == "messages"
    assert slug(ask(message, rules=Rules(ignore=("$",)))) == "messages"


@pytest.mark.parametrize("preset", [*Preset])
def test_presets_keep_the_words_of_the_user(preset: Preset) -> None:
    reminder = text("<system-reminder>\nNow it is late.\n</system-reminder>\n")
    match_input = ask(user([reminder, text("Hello there")]), rules=Rules(preset=preset))

    assert slug(match_input) == "hello-there"


def test_every_text_of_the_user_has_words_the_last_one_first() -> None:
    match_input = ask(
        user([text("One"), text("Two")]),
        {"role": "assistant", "content": "Three"},
        user("…"),
        user("Four"),
    )

    assert [*user_slugs(match_input)] == ["four", "", "two", "one"]


@given(st.text())
def test_a_slug_is_always_safe_as_a_file_name(words: str) -> None:
    result = slug(ask(user(words)))

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", result)
    assert len(result) <= 40


def test_the_name_of_a_cassette_is_its_slug_and_the_start_of_its_key() -> None:
    match_input = ask(user("Hello there"))

    assert cassette_stem(match_input) == f"hello-there-{match_input.key[:8]}"
