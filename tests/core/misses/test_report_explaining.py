from __future__ import annotations

from asking import RECORDED, changed, post
from missing import CassetteInfo, explain, read
from streamtape.core.matching.key import DEFAULT_RULES, match_input_of
from streamtape.core.matching.names import cassette_stem
from streamtape.core.matching.rules import Rules
from streamtape.core.misses.nearest import Recorded
from streamtape.core.misses.report import describe_request, explain_miss
from streamtape.core.model import Request
from streamtape.core.redaction.secrets import Secrets


def test_a_cassette_that_came_in_the_meantime_is_told() -> None:
    report = explain(post(RECORDED), [CassetteInfo("a", post(RECORDED))])

    assert str(report).split("\n")[1] == (
        "a asks the same, but came just now or is not whole yet."
    )


def test_how_much_of_a_large_library_was_compared_is_told() -> None:
    known = [CassetteInfo(f"a{i}", changed(top_k=i), 1024 * 1024) for i in range(40)]
    report = explain(post(RECORDED), known)

    assert report.compared == (8, 40)
    assert str(report).split("\n")[1] == (
        "The nearest of 8 compared is a0; recorded / requested:"
    )


def test_a_report_follows_the_rules_in_force() -> None:
    rules = Rules(ignore=("system",))
    asked = changed(system="Other", temperature=0)
    report = explain(asked, [CassetteInfo("a", post(RECORDED))], rules=rules)

    assert [each.path for each in report.differences] == ["temperature"]
    assert report.rule == 'ignore = ["system", "temperature"]'


def test_a_rule_that_takes_recorded_requests_for_one_is_not_told() -> None:
    known = [
        CassetteInfo(name, changed(system=f"Translate to {name}."))
        for name in ("French", "German")
    ]
    asked = changed(system="Translate to Danish.")

    assert explain(asked, known[:1]).rule == 'ignore = ["system"]'
    assert explain(asked, known).rule is None
    assert explain(asked, [*known[:1], CassetteInfo("x", None)]).rule is not None


def test_where_a_rule_has_to_stand_is_told() -> None:
    asked = changed(temperature=0)
    report = explain_miss(
        asked,
        match_input_of(asked),
        [CassetteInfo("a", post(RECORDED))],
        Recorded(read, rules=DEFAULT_RULES),
        library="cassettes",
        where="[scopes.a] of streamtape.toml",
        secrets=Secrets(),
    )

    assert (
        "This rule in [scopes.a] of streamtape.toml would make it hit: "
        'ignore = ["temperature"]'
    ) in str(report).split("\n")


def test_a_request_is_described_in_a_few_words() -> None:
    models = Request(method="GET", target="/v1/models")

    assert (
        describe_request(models, match_input_of(models), Secrets()) == "GET /v1/models"
    )
    assert describe_request(
        post(RECORDED), match_input_of(post(RECORDED)), Secrets()
    ) == ("POST /v1/messages, model claude-x, 3 messages")


def test_a_large_conversation_has_a_small_report() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": f"{i} " + "x" * 5000}]}
        for i in range(400)
    ]
    turns = [changed(messages=messages[: i + 1]) for i in range(360, 400, 2)]
    turns.append(changed(messages=messages, temperature=0))
    known = [
        CassetteInfo(cassette_stem(match_input_of(turn)), turn, len(turn.body))
        for turn in turns
    ]
    report = explain(changed(messages=messages), known)

    assert report.compared == (4, 21)
    assert report.rule == 'ignore = ["temperature"]'
    assert len(str(report).encode()) < 1024
