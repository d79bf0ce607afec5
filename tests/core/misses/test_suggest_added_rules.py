from __future__ import annotations

from streamtape.core.matching.rules import Rules
from streamtape.core.misses.diff import Change, Location, Side
from streamtape.core.misses.suggest import find_rules

SAID: Location = ("messages", 1, "content")
NO_RULES = Rules()


def texts(place: Location, old: str, new: str) -> Change:
    return Change(side=Side.BODY, place=place, recorded=(old,), requested=(new,))


def header(name: str) -> Change:
    return Change(side=Side.HEADER, place=(name,), recorded=("1",), requested=("2",))


def found(
    *changes: Change, rules: Rules = NO_RULES, by_agent: tuple[Location, ...] = ()
) -> Rules | None:
    return find_rules(list(changes), rules, frozenset(by_agent))


def test_each_kind_of_change_has_a_rule_of_its_own() -> None:
    rules = Rules(headers=("Accept", "anthropic-beta"), ignore=("top_k",))
    call = ("messages", 0, "content", 0, "id")

    added = found(
        header("accept"),
        texts(("system",), "On 2026-01-02.", "On 2026-01-03."),
        texts(("temperature",), "a", "b"),
        texts(call, "x", "y"),
        rules=rules,
    )

    assert added == Rules(
        headers=("anthropic-beta",),
        ignore=("top_k", "temperature"),
        replace=((r"\d{4}-\d\d-\d\d", "<date>"),),
        rename_ids=True,
    )


def test_what_a_message_says_is_not_replaced_unless_it_is_the_agents() -> None:
    days = "On 2026-01-02.", "On 2026-01-03."
    agents = "<system-reminder>{}</system-reminder>Hello"

    assert found(texts(SAID, *days)) is None
    assert found(texts(SAID, *days), by_agent=(SAID[:2],)) is not None
    assert found(texts(SAID, *map(agents.format, days))) is not None
    assert found(texts(SAID, "yes", "no"), by_agent=(SAID[:2],)) is None


def test_one_change_that_no_rule_may_hide_leaves_no_rule() -> None:
    temperature = texts(("temperature",), "a", "b")

    assert found(temperature) is not None
    assert found(temperature, texts(("model",), "a", "b")) is None
