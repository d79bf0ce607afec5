from __future__ import annotations

from itertools import product

import pytest

from streamtape.core.modes import TABLE, Action, RecordMode, decide, explain_modes

REPLAY, RECORD = Action.REPLAY, Action.RECORD
FORWARD, REFUSE = Action.FORWARD, Action.REFUSE


@pytest.mark.parametrize(
    ("mode", "empty_hit", "empty_miss", "filled_hit", "filled_miss"),
    [
        pytest.param("none", REPLAY, REFUSE, REPLAY, REFUSE, id="none"),
        pytest.param("once", RECORD, RECORD, REPLAY, REFUSE, id="once"),
        pytest.param("new_episodes", REPLAY, RECORD, REPLAY, RECORD, id="new_episodes"),
        pytest.param("all", RECORD, RECORD, RECORD, RECORD, id="all"),
        pytest.param(
            "passthrough", FORWARD, FORWARD, FORWARD, FORWARD, id="passthrough"
        ),
    ],
)
def test_each_mode_decides_as_designed(
    mode: str,
    empty_hit: Action,
    empty_miss: Action,
    filled_hit: Action,
    filled_miss: Action,
) -> None:
    decided = [
        decide(RecordMode(mode), library_empty=library_empty, hit=hit)
        for library_empty, hit in product([True, False], repeat=2)
    ]

    assert decided == [empty_hit, empty_miss, filled_hit, filled_miss]


def test_the_table_covers_every_case_and_nothing_else() -> None:
    assert set(TABLE) == set(product(RecordMode, [True, False], [True, False]))


def test_only_a_hit_is_replayed_and_only_a_miss_is_refused() -> None:
    hits = {action for (_, _, hit), action in TABLE.items() if hit}
    misses = {action for (_, _, hit), action in TABLE.items() if not hit}

    assert REFUSE not in hits
    assert REPLAY not in misses


def test_the_modes_are_explained_as_a_markdown_table() -> None:
    assert explain_modes() == (
        "| Mode | Library at the start | Hit | Miss |\n"
        "| --- | --- | --- | --- |\n"
        "| `none` | any | replay | refuse |\n"
        "| `once` | empty | record | record |\n"
        "| `once` | not empty | replay | refuse |\n"
        "| `new_episodes` | any | replay | record |\n"
        "| `all` | any | record | record |\n"
        "| `passthrough` | any | forward | forward |\n"
    )
