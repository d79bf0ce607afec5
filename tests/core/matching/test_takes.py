from __future__ import annotations

import pytest

from streamtape.core.matching.takes import Exhausted, Takes


@pytest.mark.parametrize(
    ("exhausted", "given_out"),
    [
        pytest.param(Exhausted.ERROR, [0, 1, 2, None, None], id="error"),
        pytest.param(Exhausted.LAST, [0, 1, 2, 2, 2], id="last"),
        pytest.param(Exhausted.CYCLE, [0, 1, 2, 0, 1], id="cycle"),
    ],
)
def test_takes_come_in_recorded_order_and_then_as_exhausted_says(
    exhausted: Exhausted, given_out: list[int | None]
) -> None:
    takes = Takes(exhausted)

    assert [takes.next("key", 3) for _ in given_out] == given_out


@pytest.mark.parametrize("exhausted", Exhausted)
def test_keys_do_not_affect_each_other(exhausted: Exhausted) -> None:
    takes = Takes(exhausted)

    order = [takes.next(key, 2) for key in ("a", "b", "b", "a")]

    assert order == [0, 0, 1, 1]


@pytest.mark.parametrize("exhausted", Exhausted)
def test_a_take_recorded_after_exhaustion_comes_next(exhausted: Exhausted) -> None:
    takes = Takes(exhausted)
    takes.next("key", 1)
    takes.next("key", 1)

    assert takes.next("key", 2) == 1


@pytest.mark.parametrize("exhausted", Exhausted)
def test_a_key_without_takes_gives_none_and_then_its_first(
    exhausted: Exhausted,
) -> None:
    takes = Takes(exhausted)

    assert takes.next("key", 0) is None
    assert takes.next("key", 1) == 0


@pytest.mark.parametrize("exhausted", Exhausted)
def test_reset_begins_again_for_every_key(exhausted: Exhausted) -> None:
    takes = Takes(exhausted)
    for key in ("a", "b"):
        takes.next(key, 2)

    takes.reset()

    assert [takes.next(key, 2) for key in ("a", "b")] == [0, 0]


@pytest.mark.parametrize("exhausted", Exhausted)
def test_a_take_that_was_given_back_is_given_again(exhausted: Exhausted) -> None:
    """Whichever it was: of two takes the first, the last, and what comes behind."""
    for uses in range(4):
        takes, others = Takes(exhausted), Takes(exhausted)
        for each in (takes, others):
            for _ in range(uses):
                each.next("key", 2)
        if takes.next("key", 2) is not None:
            takes.give_back("key")

        assert takes.next("key", 2) == others.next("key", 2)
